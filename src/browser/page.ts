/** What is used of a page or its worker, which is typed with the browser's interfaces only. */
interface Page {
  readonly document?: { readonly baseURI: string };
  readonly location?: { readonly href: string };
  /** Only where the page came over HTTPS, or from this machine. */
  readonly caches?: { open(name: string): Promise<PageCache> };
}

export interface PageCache {
  match(url: string): Promise<Response | undefined>;
  put(url: string, response: Response): Promise<void>;
  delete(url: string): Promise<boolean>;
}

const page = globalThis as Page;

/** What relative addresses are relative to. */
export const baseAddress = (): string | undefined => page.document?.baseURI ?? page.location?.href;

/** The cache of that name; undefined where the browser has none for this page. */
export const openCache = async (name: string): Promise<PageCache | undefined> =>
  page.caches?.open(name).catch(() => undefined);
