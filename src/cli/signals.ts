/** The first SIGINT or SIGTERM ends the run with a checkpoint, and the process with a code of its own. */
export function stopOnSignals(): { readonly stop: AbortSignal; readonly release: () => void } {
  const controller = new AbortController();
  const codes = { SIGINT: 130, SIGTERM: 143 };
  const release = () => {
    for (const name of Object.keys(codes)) process.off(name, stop);
  };
  const stop = (signal: keyof typeof codes) => {
    release();
    process.exitCode = codes[signal];
    console.error(`${signal}: saving and stopping; once more to stop at once`);
    controller.abort();
  };
  for (const name of Object.keys(codes)) process.on(name, stop);
  return { stop: controller.signal, release };
}
