/** What a group costs besides its tokens, in tokens: weights are read once for each. */
const groupCost = 48;

/**
 * Divides texts into groups that are computed together, each padded to its longest, so that the least is computed.
 *
 * @param largest tokens of a group, padding included; a longer text is a group of its own
 * @returns the places of each group's texts, shortest groups first
 */
export function groupByLength(lengths: readonly number[], largest: number): number[][] {
  const order = Array.from(lengths.keys()).sort((a, b) => lengths[a]! - lengths[b]!);
  // costs[n]: the least for the n shortest texts; starts[n]: where their last group starts
  const costs = [0];
  const starts = [0];
  for (let end = 1; end <= order.length; end++) {
    const longest = lengths[order[end - 1]!]!;
    costs.push(Infinity);
    for (let start = end - 1; start >= 0; start--) {
      const tokens = (end - start) * longest;
      if (tokens > largest && start < end - 1) break;
      const cost = costs[start]! + tokens + groupCost;
      if (cost < costs[end]!) {
        costs[end] = cost;
        starts[end] = start;
      }
    }
  }
  const groups: number[][] = [];
  for (let end = order.length; end > 0; end = starts[end]!) groups.unshift(order.slice(starts[end], end));
  return groups;
}
