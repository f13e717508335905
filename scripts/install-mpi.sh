#!/usr/bin/env bash
# Installs Open MPI and MPICH from Debian's packages, side by side, where they are not yet there.
set -euo pipefail

if command -v mpirun.openmpi >/dev/null && command -v mpirun.mpich >/dev/null; then exit; fi
if ! command -v apt-get >/dev/null; then
  echo 'expected a system with apt-get, found none: install Open MPI and MPICH in its own way' >&2
  exit 1
fi
if [ "$(id -u)" != 0 ]; then
  echo 'expected root, to install packages' >&2
  exit 1
fi
apt-get update
# their libraries come with them
apt-get install -y --no-install-recommends openmpi-bin mpich
