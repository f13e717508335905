// The model, beside the page: while it computes one can type on.
import { findDevice, pipeline } from 'megatron-bert';

let fill;

async function load(model) {
  const loaded = await pipeline('fill-mask', model, {
    progress_callback: (event) => event.status === 'progress_total' && postMessage({ progress: event }),
    warn: (warning) => postMessage({ warning }),
  });
  // the first call loads the weights
  await loaded('[MASK]');
  return loaded;
}

globalThis.onmessage = async ({ data: { model, text } }) => {
  try {
    fill ??= await load(model);
    const start = performance.now();
    const answer = await fill(text, { top_k: 6 });
    postMessage({ text, answer, milliseconds: performance.now() - start, device: await findDevice() });
  } catch (error) {
    postMessage({ text, error: error.message });
  }
};
