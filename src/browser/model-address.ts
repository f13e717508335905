import { InputError } from '../errors.js';
import { requireRevision } from '../hub/safe-names.js';

const hub = 'https://huggingface.co';

/**
 * Where a model's files are: `owner/name` is on the hub, all else is an address.
 *
 * @param base what a relative address is relative to
 * @returns ends with a slash
 * @throws InputError where it is no address that can be fetched
 */
export function modelAddress(model: string, base: string | undefined, revision = 'main'): string {
  requireRevision(revision);
  if (/^\w[\w.-]*\/\w[\w.-]*$/.test(model)) return `${hub}/${model}/resolve/${encodeURIComponent(revision)}/`;
  const address = URL.canParse(model, base) ? new URL(model, base) : undefined;
  if (!address || !/^https?:$/.test(address.protocol))
    throw new InputError(
      `expected the address of a model's folder or the name of a model (owner/name), found ${JSON.stringify(model)}`,
    );
  const { origin, pathname } = address;
  return `${origin}${pathname.replace(/\/*$/, '/')}`;
}
