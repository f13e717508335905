/** Machines that are known by name, with where each number is from. */
import type { Machine } from './machine.js';

/** What cuBLAS cuts products into (NVIDIA, Matrix Multiplication Background User's Guide, section 2.3). */
const tensorCoreTiles: Machine['device']['tiles'] = [
  [256, 128],
  [128, 256],
  [128, 128],
  [256, 64],
  [64, 256],
  [128, 64],
  [64, 128],
  [64, 64],
];

/**
 * 16 V100 with 32 GB at 450 W behind NVSwitch, eight 100 Gb/s InfiniBand ports, as in arXiv 1909.08053; the software of
 * that time (Megatron-LM's first release, PyTorch of 2019, NCCL 2.4).
 */
const dgx2h: Machine = {
  name: 'dgx-2h',
  devicesPerServer: 16,
  device: {
    memory: 32 * 2 ** 30,
    // 39 TFLOP/s are "30 % of the theoretical peak" (1909.08053, section 1); fp32 in the same ratio as the data sheet's
    peakFlops: { fp16: 130e12, fp32: 16.3e12 },
    // 83 TFLOP/s of cuBLAS on a card whose clock allows 112 (arXiv 1803.04014)
    sustained: 0.74,
    processors: 80,
    tiles: tensorCoreTiles,
    // measured: arXiv 1804.06826, chapter 3
    cacheBandwidth: 2155e9,
    memoryBandwidth: 750e9,
    // 62 % of 900 GB/s: 16-bit additions before PyTorch loaded several at once (pytorch/pytorch issue 22612, July 2019)
    elementwiseBandwidth: 558e9,
    launchLatency: 5e-6,
  },
  links: {
    // what NCCL counts with: 20 of 25 GB/s for each of six NVLinks, 12 of 12.5 for each port (graph/topo.h); a hop of a
    // ring (graph/tuning.cc)
    server: { bandwidth: 6 * 20e9, latency: 3.4e-6 },
    network: { bandwidth: 8 * 12e9, latency: 9.6e-6 },
    // four devices share a PCIe link (NVIDIA/nccl-tests issue 78 shows it), 12 GB/s to NCCL (graph/topo.h); assumed: half
    // of that for a copy into memory that is not page-locked, which passes through a buffer; 10 µs until the next kernel
    host: { bandwidth: 6e9, latency: 10e-6, uplink: { bandwidth: 12e9, devices: 4 } },
  },
  // NCCL 2.4's channels
  collectiveProcessors: 16,
  software: {
    kernels: 'separate',
    // PyTorch's: 76 % of linear scaling on 512 devices, where Megatron-LM's own, after it, had 60 % (its README)
    gradients: 'during the backward pass',
    // 200 Mersenne twisters of 4,120 bytes (PyTorch's THCTensorRandom.cu; "can be expensive": its pull request 14253)
    randomState: 200 * 4120,
  },
};

/** 8 A100 with 80 GB, eight 200 Gb/s InfiniBand ports, as in arXiv 2104.04473; Megatron-LM 2.5. */
const dgxA100: Machine = {
  name: 'dgx-a100',
  devicesPerServer: 8,
  device: {
    memory: 80 * 2 ** 30,
    peakFlops: { fp16: 312e12, fp32: 19.5e12 },
    // assumed: as much as of a V100
    sustained: 0.74,
    processors: 108,
    tiles: tensorCoreTiles,
    // 2.3 times a V100's (NVIDIA A100 white paper)
    cacheBandwidth: 2.3 * 2155e9,
    // 2039 GB/s, of which 85 % are achieved
    memoryBandwidth: 1730e9,
    elementwiseBandwidth: 1730e9,
    launchLatency: 5e-6,
  },
  links: {
    // NCCL counts with 235 of 300 GB/s (graph/tuning.cc)
    server: { bandwidth: 235e9, latency: 3.4e-6 },
    network: { bandwidth: 8 * 24e9, latency: 9.6e-6 },
    host: { bandwidth: 12e9, latency: 10e-6, uplink: { bandwidth: 24e9, devices: 2 } },
  },
  collectiveProcessors: 24,
  software: { kernels: 'fused', gradients: 'after it', randomState: 0 },
};

/** A rank on each of four cores, 16 GB, and another such machine by Ethernet: this program, in fp32. */
const laptop: Machine = {
  name: 'laptop',
  devicesPerServer: 4,
  device: {
    memory: 4e9,
    // two multiply-adds of eight numbers a cycle at 3 GHz; 16 bits are no faster
    peakFlops: { fp16: 96e9, fp32: 96e9 },
    sustained: 0.85,
    processors: 1,
    tiles: [[32, 32]],
    cacheBandwidth: 60e9,
    memoryBandwidth: 10e9,
    elementwiseBandwidth: 8e9,
    launchLatency: 10e-6,
  },
  links: {
    server: { bandwidth: 4e9, latency: 20e-6 },
    network: { bandwidth: 0.11e9, latency: 100e-6 },
    host: { bandwidth: 10e9, latency: 1e-6, uplink: { bandwidth: 10e9, devices: 1 } },
  },
  collectiveProcessors: 1,
  software: { kernels: 'fused', gradients: 'after it', randomState: 0 },
};

export const builtInMachines = { 'dgx-2h': dgx2h, 'dgx-a100': dgxA100, laptop } as const;
