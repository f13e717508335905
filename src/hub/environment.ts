/**
 * What the variables of Hugging Face's libraries say.
 * Source: https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables
 */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { InputError } from '../errors.js';
import type { TimeLimit } from './time-limit.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** The first of these variables that is set, and not to nothing. */
const valueOf = (env: Environment, ...names: string[]) => names.map((name) => env[name]).find(Boolean);

const expandHome = (folder: string) => folder.replace(/^~(?=$|[\\/])/, homedir());

/** Where Hugging Face's libraries keep what is theirs. */
const home = (env: Environment) =>
  expandHome(
    valueOf(env, 'HF_HOME') ??
      path.join(valueOf(env, 'XDG_CACHE_HOME') ?? path.join(homedir(), '.cache'), 'huggingface'),
  );

export const cacheFolder = (env: Environment) =>
  expandHome(valueOf(env, 'HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE') ?? path.join(home(env), 'hub'));

export const isOffline = (env: Environment) =>
  /^(1|true|yes|on)$/i.test(valueOf(env, 'HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE') ?? '');

/** The hub's address, without a slash at its end. */
export function endpointOf(env: Environment): string {
  const text = (valueOf(env, 'HF_ENDPOINT') ?? 'https://huggingface.co').replace(/\/+$/, '');
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && url.username + url.password !== '')
    throw new InputError('HF_ENDPOINT: expected an address without a user and a password');
  if (!url || !/^https?:$/.test(url.protocol) || url.search + url.hash !== '')
    throw new InputError(
      `HF_ENDPOINT: expected an address as https://huggingface.co, found ${JSON.stringify(text)}`,
    );
  return text;
}

export interface Token {
  readonly value: string;
  /** Where it comes from, for messages, which never show the value. */
  readonly source: string;
}

/** @param given takes the place of the variables' */
export async function readToken(env: Environment, given?: string): Promise<Token | undefined> {
  const file = expandHome(valueOf(env, 'HF_TOKEN_PATH') ?? path.join(home(env), 'token'));
  const places: [source: string, text: string | undefined][] = [
    ['the option token', given],
    ['HF_TOKEN', env.HF_TOKEN],
    ['HUGGING_FACE_HUB_TOKEN', env.HUGGING_FACE_HUB_TOKEN],
    [file, await readFile(file, 'utf8').catch(() => undefined)],
  ];
  for (const [source, text] of places) {
    const value = text?.trim() ?? '';
    if (value === '') continue;
    // fetch would refuse it with a message that shows it
    if (!/^[\x21-\x7e]+$/.test(value))
      throw new InputError(`the token of ${source}: expected letters and digits on one line`);
    return { value, source };
  }
  return undefined;
}

export interface TimeLimits {
  /** For an answer about a file. */
  readonly asking: TimeLimit;
  /** Between two pieces of a file. */
  readonly downloading: TimeLimit;
}

export const timeLimitsOf = (env: Environment): TimeLimits => ({
  asking: limitOf(env, 'HF_HUB_ETAG_TIMEOUT', 'no answer'),
  downloading: limitOf(env, 'HF_HUB_DOWNLOAD_TIMEOUT', 'no byte'),
});

function limitOf(env: Environment, name: string, missing: string): TimeLimit {
  const text = valueOf(env, name) ?? '';
  // as in huggingface_hub, where 0 is no limit of its own either
  const seconds = Number(text) === 0 ? 10 : Number(text);
  if (!(seconds > 0))
    throw new InputError(`${name}: expected a number of seconds, found ${JSON.stringify(text)}`);
  return { seconds, message: `${missing} for ${seconds} s, see ${name}` };
}
