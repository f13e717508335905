/** How the families of MPI libraries differ, seen from their binary interfaces. */
import type { LibraryHandle } from 'koffi';
import type { LaunchedRank } from './environment.js';

/** An MPI_Comm, MPI_Datatype, …: an address or a number. */
export type Handle = bigint | number;

export interface MpiKind {
  readonly name: string;
  /** The C type of handles. */
  readonly handleType: 'void *' | 'int';
  /** MPI_THREAD_FUNNELED: the thread that initialises MPI makes all calls. */
  readonly funneled: number;
  handles(library: LibraryHandle): {
    /** MPI_COMM_WORLD */
    readonly world: Handle;
    /** MPI_FLOAT */
    readonly float: Handle;
    /** MPI_SUM */
    readonly sum: Handle;
    /** MPI_ERRORS_RETURN */
    readonly errorsReturn: Handle;
  };
}

/** Open MPI 4 and 5 (ompi/include/mpi.h.in): handles are addresses of what the library exports. */
export const openMpiKind: MpiKind = {
  name: 'Open MPI',
  handleType: 'void *',
  funneled: 1,
  handles: (library) => ({
    world: library.symbol('ompi_mpi_comm_world') as bigint,
    float: library.symbol('ompi_mpi_float') as bigint,
    sum: library.symbol('ompi_mpi_op_sum') as bigint,
    errorsReturn: library.symbol('ompi_mpi_errors_return') as bigint,
  }),
};

/** MPICH and those that share its interface: Intel MPI, MVAPICH, Cray MPICH (https://www.mpich.org/abi/). */
export const mpichKind: MpiKind = {
  name: 'MPICH',
  handleType: 'int',
  funneled: 1,
  handles: () => ({ world: 0x44000000, float: 0x4c00040a, sum: 0x58000003, errorsReturn: 0x54000001 }),
};

/** Any library of the standard binary interface (MPI 5.0, chapter 20 and its appendix A). */
export const standardKind: MpiKind = {
  name: 'standard ABI',
  handleType: 'void *',
  funneled: 1024,
  handles: () => ({ world: 0x101n, float: 0x210n, sum: 0x21n, errorsReturn: 0x142n }),
};

type LibraryNames = readonly { readonly by: 'Open MPI' | 'MPICH' | 'either'; readonly name: string }[];

const libraryNames: Partial<Record<NodeJS.Platform, LibraryNames>> = {
  linux: [
    { by: 'Open MPI', name: 'libmpi.so.40' },
    { by: 'MPICH', name: 'libmpich.so.12' },
    { by: 'MPICH', name: 'libmpi.so.12' },
    { by: 'either', name: 'libmpi_abi.so.1' },
  ],
  darwin: [
    { by: 'Open MPI', name: 'libmpi.40.dylib' },
    { by: 'MPICH', name: 'libmpi.12.dylib' },
    { by: 'either', name: 'libmpi_abi.1.dylib' },
  ],
};

/** The libraries to look for, best first: those that the launcher can work with. */
export function likelyLibraries(
  launcher: LaunchedRank['launcher'] | undefined,
  platform: NodeJS.Platform,
): readonly string[] {
  const belongs = (by: string) => by === 'either' || by === launcher;
  const decides = launcher === 'Open MPI' || launcher === 'MPICH';
  return (libraryNames[platform] ?? []).filter(({ by }) => !decides || belongs(by)).map(({ name }) => name);
}
