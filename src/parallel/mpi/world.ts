import { InputError } from '../../errors.js';
import { singleCommunicator, type Communicator } from '../communicator.js';
import { groupNames, groupsOf, meshSize, type GroupName, type Mesh } from '../mesh.js';
import type { Ranks } from '../ranks.js';
import { openChannel, type Member } from './channel.js';
import { openCommunicator, type ProcessCommunicator } from './communicator.js';
import { rankFromEnvironment, type LaunchedRank } from './environment.js';
import type { Handle } from './kinds.js';
import { callWithin } from './wait.js';
import { check, openLibrary, readString, type MpiLibrary, type NativeArgument } from './library.js';

export interface MpiOptions {
  /** The file of the MPI library, or its name; by default the one that belongs to the launcher is looked for. */
  readonly library?: string;
  /** How long a rank waits for another before the run ends; as Megatron-LM, ten minutes by default. */
  readonly timeoutSeconds?: number;
}

/** All processes of a run, as one of them sees it. */
export interface MpiWorld {
  readonly rank: number;
  readonly size: number;
  /** Where this process runs. */
  readonly host: string;
  /** The library, as it calls itself. */
  readonly library: string;
  /** Every rank calls this with the same mesh. */
  groups(mesh: Mesh): Ranks['groups'];
  /** Waits for all ranks to come here, and takes leave. */
  finalize(): void;
  /** Ends all processes of the run. */
  abort(code: number): void;
}

/** Room for the name of a host (MPI_MAX_PROCESSOR_NAME is 256 at most), as floats, which all messages are. */
const hostFloats = 64;

/**
 * Makes this process a rank of those that the launcher started. All calls must come from the thread that opens it, be it
 * the main one or a worker (MPI_THREAD_FUNNELED: MPI 4.1, section 11.6).
 *
 * @throws InputError where there is no MPI library, it cannot be used, or it is not that of the launcher
 */
export function openMpi({ library: path, timeoutSeconds = 600 }: MpiOptions = {}): MpiWorld {
  const launched = rankFromEnvironment(process.env);
  const library = openLibrary(path, launched?.launcher);
  const { functions, handles } = library;
  callWithin(timeoutSeconds, () => {
    initialize(library);
  });
  const rank = readInteger(library, functions.commRank, handles.world);
  const size = readInteger(library, functions.commSize, handles.world);
  checkPairing(library, size, launched);
  check(library, functions.commSetErrhandler(handles.world, handles.errorsReturn), 'errors');

  const host = readString((name, length) => functions.getProcessorName(name, length));
  const hosts = callWithin(timeoutSeconds, () => gatherHosts(library, host, size));
  const members = hosts.map((host, rank): Member => ({ rank, host }));
  const opened: ProcessCommunicator[] = [];
  const open = (communicator: Handle, ranks: readonly Member[]): ProcessCommunicator => {
    const own = ranks.findIndex((member) => member.rank === rank);
    const group = openCommunicator(openChannel(library, communicator, own, ranks, timeoutSeconds));
    opened.push(group);
    return group;
  };
  const world = open(handles.world, members);

  /** Every rank is in one of the groups. */
  const join = (name: GroupName, groups: readonly (readonly number[])[]): Communicator => {
    const color = groups.findIndex((ranks) => ranks.includes(rank));
    if (groups.every((ranks) => ranks.length === 1)) return singleCommunicator;
    if (name === 'world') return world;
    const communicator = callWithin(timeoutSeconds, () => splitWorld(library, color, rank));
    const ranks = groups[color]!;
    return ranks.length === 1
      ? singleCommunicator
      : open(
          communicator,
          ranks.map((rank) => members[rank]!),
        );
  };

  return {
    rank,
    size,
    host,
    library: library.version,
    groups(mesh) {
      if (meshSize(mesh) !== size)
        throw new InputError(
          `expected as many processes as the mesh has ranks, ${mesh.tensor} (tensor) × ${mesh.pipeline} (pipeline) × ` +
            `${mesh.data} (data), found ${size}`,
        );
      const joined = groupNames.map((name) => [name, join(name, groupsOf(name, mesh))]);
      return Object.fromEntries(joined) as Ranks['groups'];
    },
    finalize() {
      for (const communicator of opened) communicator.finishSending();
      world.barrier();
      // MPICH 4.0 over UCX and TCP does not always come back from it
      check(
        library,
        callWithin(timeoutSeconds, () => functions.finalize()),
        'MPI_Finalize',
      );
    },
    abort(code) {
      functions.abort(handles.world, code);
    },
  };
}

/** @throws Error where it was done before in this process */
function initialize(library: MpiLibrary): void {
  const { functions, kind, path } = library;
  const wasInitialized = readInteger(library, functions.initialized);
  if (wasInitialized) throw new Error('MPI was opened before in this process, which is one rank');
  const provided = readInteger(library, functions.initThread, null, null, kind.funneled);
  if (provided < kind.funneled)
    throw new InputError(
      `MPI library ${path}: expected one that a process of several threads may call (MPI_THREAD_FUNNELED, ` +
        `${kind.funneled}), found thread level ${provided}`,
    );
}

/** A library that does not know the launcher takes each process for a run of its own. */
function checkPairing(
  { functions, path, version }: MpiLibrary,
  size: number,
  launched: LaunchedRank | undefined,
): void {
  if (!launched || launched.size === size) return;
  functions.finalize();
  throw new InputError(
    `MPI library ${path} (${version}): expected the one that belongs to the launcher, which is ${launched.launcher} ` +
      `and started ${launched.size} processes, found one that sees ${size}`,
  );
}

/** The hosts of all ranks, in their order. */
function gatherHosts(library: MpiLibrary, host: string, size: number): string[] {
  const { functions, handles } = library;
  const own = new Float32Array(hostFloats);
  new TextEncoder().encodeInto(host, new Uint8Array(own.buffer));
  const all = new Float32Array(size * hostFloats);
  const { float, world } = handles;
  check(library, functions.allgather(own, hostFloats, float, all, hostFloats, float, world), 'hosts');
  return Array.from({ length: size }, (_, rank) => {
    const bytes = new Uint8Array(all.buffer, rank * own.byteLength, own.byteLength);
    return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
  });
}

/** @param color those with the same one become a communicator, in the order of their ranks */
function splitWorld(library: MpiLibrary, color: number, rank: number): Handle {
  const { functions, handles, kind } = library;
  const out = new BigInt64Array(1);
  check(library, functions.commSplit(handles.world, color, rank, out), 'MPI_Comm_split');
  return kind.handleType === 'int' ? new Int32Array(out.buffer)[0]! : out[0]!;
}

/** Calls a function whose last argument is where it writes an integer. */
function readInteger(
  library: MpiLibrary,
  call: MpiLibrary['functions']['commRank'],
  ...values: NativeArgument[]
): number {
  const out = new Int32Array(1);
  check(library, call(...values, out), 'MPI');
  return out[0]!;
}
