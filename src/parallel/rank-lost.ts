/** A rank is gone, or does not answer: a run may go on without it from what was saved. */
export class RankLost extends Error {
  override name = 'RankLost';
}
