import type { Engine } from './engine.js';
import { openRuntime } from './onnx/c-interface.js';
import { createOnnxEngine } from './onnx/engine.js';
import type { Groups } from './onnx/host-ops.js';

/** The engine that a Node program computes with: to use another one, open it here. */
export function openEngine({ threads, groups = {} }: { threads: number; groups?: Groups }): Engine {
  return createOnnxEngine(openRuntime({ threads }), groups);
}
