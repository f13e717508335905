/** The MPI library of this machine, found and called through its C interface. */
import koffi, { type KoffiFunc, type LibraryHandle } from 'koffi';
import { InputError } from '../../errors.js';
import { keepLoaded } from '../../native-library.js';
import type { LaunchedRank } from './environment.js';
import { likelyLibraries, mpichKind, openMpiKind, standardKind, type Handle, type MpiKind } from './kinds.js';

const pointer = 'void *';
/** Stands for the type that handles have in the library. */
const handle = 'handle';

/** The functions that are used of MPI 3.1, and their arguments; all return an error code. */
const functions = {
  initialized: ['MPI_Initialized', pointer],
  initThread: ['MPI_Init_thread', pointer, pointer, 'int', pointer],
  finalize: ['MPI_Finalize'],
  abort: ['MPI_Abort', handle, 'int'],
  getProcessorName: ['MPI_Get_processor_name', pointer, pointer],
  errorString: ['MPI_Error_string', 'int', pointer, pointer],
  commRank: ['MPI_Comm_rank', handle, pointer],
  commSize: ['MPI_Comm_size', handle, pointer],
  commSplit: ['MPI_Comm_split', handle, 'int', 'int', pointer],
  commSetErrhandler: ['MPI_Comm_set_errhandler', handle, handle],
  allgather: ['MPI_Allgather', pointer, 'int', handle, pointer, 'int', handle, handle],
  isend: ['MPI_Isend', pointer, 'int', handle, 'int', 'int', handle, pointer],
  irecv: ['MPI_Irecv', pointer, 'int', handle, 'int', 'int', handle, pointer],
  iprobe: ['MPI_Iprobe', 'int', 'int', handle, pointer, pointer],
  test: ['MPI_Test', pointer, pointer, pointer],
  getCount: ['MPI_Get_count', pointer, handle, pointer],
  reduceLocal: ['MPI_Reduce_local', pointer, pointer, 'int', handle, handle],
} as const;

/** The longest MPI_MAX_LIBRARY_VERSION_STRING; names of processors and errors are shorter. */
const longestString = 8192;

export type NativeArgument = Handle | ArrayBufferView | null;
type NativeFunction = KoffiFunc<(...values: NativeArgument[]) => number>;

export interface MpiLibrary {
  /** Where it was found. */
  readonly path: string;
  /** As it calls itself. */
  readonly version: string;
  readonly kind: MpiKind;
  readonly handles: ReturnType<MpiKind['handles']>;
  readonly functions: Readonly<Record<keyof typeof functions, NativeFunction>>;
}

/**
 * @param path a file, or a name that the system's loader finds; without it the usual names are tried
 * @throws InputError where there is none, or one of an unknown kind
 */
export function openLibrary(path?: string, launcher?: LaunchedRank['launcher']): MpiLibrary {
  const { library, name } = path === undefined ? findLibrary(launcher) : loadNamed(path);
  keepLoaded(name);
  const version = versionOf(library);
  const kind = kindOf(library, version);
  if (!kind)
    throw new InputError(
      `MPI library ${name}: expected Open MPI, MPICH or one of the standard ABI, found ${version || 'no MPI'}`,
    );
  const entries = Object.entries(functions).map(([key, [symbol, ...values]]) => [
    key,
    library.func(
      symbol,
      'int',
      values.map((type) => (type === handle ? kind.handleType : type)),
    ),
  ]);
  return {
    path: name,
    version,
    kind,
    handles: kind.handles(library),
    functions: Object.fromEntries(entries) as MpiLibrary['functions'],
  };
}

function load(path: string): LibraryHandle {
  // UCX, which MPICH may stand on, would hook how this process allocates memory, for caches that nothing here gains by
  process.env.UCX_MEM_EVENTS ??= 'no';
  // symbols are visible to the plug-ins that the library loads, which may not name it as what they need
  return koffi.load(path, { global: true });
}

function loadNamed(path: string) {
  try {
    return { library: load(path), name: path };
  } catch (error) {
    throw new InputError(
      `MPI library: expected a shared library, found ${path} (${(error as Error).message})`,
    );
  }
}

function findLibrary(launcher?: LaunchedRank['launcher']) {
  const names = likelyLibraries(launcher, process.platform);
  let found = 'none';
  for (const name of names)
    try {
      return { library: load(name), name };
    } catch (error) {
      const { message } = error as Error;
      // it may be there, and lack another library that it needs, which then is named
      if (!/library: (cannot open|dlopen)/.test(message)) found = `${name} (${message})`;
    }
  throw new InputError(
    `MPI library${launcher ? ` for the launcher of ${launcher}` : ''}: expected one of ${names.join(', ')} ` +
      `(Debian's packages openmpi-bin and mpich have them), found ${found}`,
  );
}

function kindOf(library: LibraryHandle, version: string): MpiKind | undefined {
  const standard = optional(library, 'MPI_Abi_get_version', [pointer, pointer]);
  const major = new Int32Array(1);
  standard?.(major, new Int32Array(1));
  // -1 where this library of several has its own interface
  if (major[0] === 1) return standardKind;
  if (exports(library, 'ompi_mpi_comm_world')) return openMpiKind;
  return /MPICH|Intel\(R\) MPI|MVAPICH/i.test(version) ? mpichKind : undefined;
}

/** Its first words; may be asked before MPI is initialised (MPI 4.1, section 9.1.1). */
function versionOf(library: LibraryHandle): string {
  const getVersion = optional(library, 'MPI_Get_library_version', [pointer, pointer]);
  const text = getVersion ? readString((text, length) => getVersion(text, length)) : '';
  return text
    .split(/[,\n]/)[0]!
    .replace(/ Version:\s*/, ' ')
    .trim();
}

function exports(library: LibraryHandle, symbol: string): boolean {
  try {
    library.symbol(symbol);
    return true;
  } catch {
    return false;
  }
}

const optional = (library: LibraryHandle, symbol: string, values: string[]) =>
  exports(library, symbol) ? (library.func(symbol, 'int', values) as NativeFunction) : undefined;

/** What a function writes as a C string with its length. */
export function readString(write: (text: Uint8Array, length: Int32Array) => number): string {
  const text = new Uint8Array(longestString);
  const length = new Int32Array(1);
  write(text, length);
  return Buffer.from(text.subarray(0, length[0])).toString();
}

/** @throws Error with MPI's message where a function failed (MPI 4.1, section 9.4) */
export function check({ functions }: MpiLibrary, code: number, operation: string): void {
  if (code === 0) return;
  const message = readString((text, length) => functions.errorString(code, text, length));
  throw new Error(`${operation}: ${message.trim().replace(/\s*\n\s*/g, '; ')}`);
}
