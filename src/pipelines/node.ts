import { nodeHost } from '../pretrained/node-host.js';
import { createPipeline } from './pipeline.js';

/** Pipelines over models in folders and on the hub. */
export const pipeline = createPipeline(nodeHost);
