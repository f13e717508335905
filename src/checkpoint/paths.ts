import { stat } from 'node:fs/promises';

const kindOf = (name: string) => stat(name).catch(() => undefined);

export const exists = async (name: string) => (await kindOf(name)) !== undefined;
export const isFile = async (name: string) => (await kindOf(name))?.isFile() ?? false;
export const isFolder = async (name: string) => (await kindOf(name))?.isDirectory() ?? false;
