import { Presets, SingleBar } from 'cli-progress';

/** A progress bar on stderr; where that is no terminal, a line every tenth of what takes longer than a moment. */
export interface Progress {
  update(done: number, total: number, note?: string): void;
  /** A line on stderr, above the bar. */
  print(line: string): void;
  /** Ends the bar, so that other output starts on a line of its own. */
  stop(): void;
}

/** @param unit of what is counted */
export function createProgress(label: string, unit = ''): Progress {
  return process.stderr.isTTY ? barProgress(label, unit) : lineProgress(label, unit);
}

function barProgress(label: string, unit: string): Progress {
  const bar = new SingleBar(
    {
      format: `${label} {bar} {percentage}% | ${`{value}/{total} ${unit}`.trim()} | {eta_formatted} left {note}`,
      stream: process.stderr,
      hideCursor: true,
      etaBuffer: 50,
    },
    Presets.shades_classic,
  );
  let started = false;
  return {
    update(done, total, note = '') {
      bar.setTotal(total);
      if (started) bar.update(done, { note });
      else bar.start(total, done, { note });
      started = true;
    },
    print(line) {
      // the next update draws the bar below it
      if (started) process.stderr.write('\r\x1b[K');
      console.error(line);
    },
    stop() {
      if (started) bar.stop();
      started = false;
    },
  };
}

/** Seconds in which nobody asks whether it is still going on. */
const shortest = 2;

function lineProgress(label: string, unit: string): Progress {
  const started = performance.now();
  let printed = 0;
  return {
    update(done, total, note = '') {
      const tenth = Math.floor((10 * done) / total);
      const seconds = (performance.now() - started) / 1000;
      if (tenth === printed || seconds < shortest) return;
      printed = tenth;
      const left = seconds * (total / done - 1);
      const counted = `${label} ${done}/${total} ${unit}`.trimEnd();
      console.error(`${counted}, ${Math.round(left)} s left ${note}`.trimEnd());
    },
    print: console.error,
    stop: () => undefined,
  };
}
