/** What to say where a hub answers with anything but the file, and what can be done about it. */
import { InputError } from '../errors.js';
import type { Token } from './environment.js';
import { repositoryWords, type RepositoryKind } from './safe-names.js';

/** There is no answer now, and may be one later. */
export class Unavailable extends InputError {}

/** There is no such branch, tag or commit. */
export class NoRevision extends InputError {}

/** Why a connection failed: `fetch` has it in the cause, which has no words where several addresses were tried. */
export function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  if (!(cause instanceof Error)) return message;
  return cause.message === '' ? String((cause as NodeJS.ErrnoException).code) : cause.message;
}

/** Where people look at a model or a data set. */
export const pageOf = ({ endpoint, id, kind }: Pick<Asked, 'endpoint' | 'id' | 'kind'>) =>
  `${endpoint}/${kind === 'model' ? '' : `${kind}s/`}${id}`;

interface Asked {
  /** The model or data set. */
  readonly id: string;
  readonly kind: RepositoryKind;
  readonly endpoint: string;
  readonly token: Token | undefined;
  readonly revision: string;
  readonly file: string;
}

/** Source of the codes: `hf_raise_for_status` of huggingface_hub */
export function refusal(asked: Asked, response: Response): InputError {
  const { id, endpoint, token, revision, file } = asked;
  const { status, headers } = response;
  const { origin } = new URL(response.url);
  if (status === 429 || status >= 500) return unavailable(origin, token, response);
  if (origin !== new URL(endpoint).origin)
    return new InputError(`${id}: ${file}: ${origin}, where ${endpoint} keeps it, answered ${status}`);
  const code = headers.get('x-error-code');
  const page = pageOf(asked);
  if (code === 'GatedRepo')
    return new InputError(
      `${id} is only for those who accepted its terms: do so at ${page}, ${token ? `with the account that the token of ${token.source} is of` : 'and give your token as HF_TOKEN'}`,
    );
  if (code === 'RevisionNotFound')
    return new NoRevision(`${id} has no revision ${revision}: ${page}/tree/main shows those that it has`);
  if (status === 401 && token)
    return new InputError(
      `${id}: ${endpoint} refuses the token of ${token.source}: it is wrong or expired, or has no access`,
    );
  if (status === 403)
    return new InputError(
      `${id}: ${endpoint} forbids it ${token ? `to the token of ${token.source}` : 'without a token'} (403): see ${page} for who has access`,
    );
  if (code === 'RepoNotFound' || status === 401 || status === 404) return notFound(asked);
  return new InputError(`${id}: ${file}: ${endpoint} answered ${status}`);
}

function notFound({ id, kind, endpoint, token }: Asked): InputError {
  const not = kind === 'model' ? 'neither a folder here nor a' : 'not a';
  const what = repositoryWords[kind];
  return new InputError(
    token
      ? `${id}: ${not} ${what} on ${endpoint} that the token of ${token.source} has access to`
      : `${id}: ${not} public ${what} on ${endpoint}; for a private one give your token as HF_TOKEN`,
  );
}

function unavailable(server: string, token: Token | undefined, { status, headers }: Response): Unavailable {
  const later = retryTime(headers.get('retry-after')?.trim() ?? '');
  if (status !== 429) return new Unavailable(`${server} fails (${status}): try again ${later ?? 'later'}`);
  const more = token ? '' : '; with a token (HF_TOKEN) the hub lets one ask more often';
  return new Unavailable(`${server} was asked too often (429): try again ${later ?? 'later'}${more}`);
}

/** The two forms that RFC 9110, section 10.2.3, has for it. */
function retryTime(text: string): string | undefined {
  if (/^\d+$/.test(text)) return `in ${text} s`;
  const date = new Date(text.endsWith('GMT') ? text : NaN);
  return Number.isNaN(date.getTime()) ? undefined : `after ${date.toUTCString()}`;
}
