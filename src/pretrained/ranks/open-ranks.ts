import type { Computer } from '../computer.js';
import { checkDivision, type DividedModel, type Division } from './division.js';
import { openProcesses } from './processes.js';
import { computeOnRanks } from './requests.js';
import { openThreads } from './threads.js';

/** @throws InputError where a model cannot be divided so */
export async function openRanks(model: DividedModel, division: Division): Promise<Computer> {
  checkDivision(model, division.mesh);
  const { ranks } = division;
  return computeOnRanks(
    await (ranks ? openProcesses(model, { ...division, ranks }) : openThreads(model, division)),
  );
}
