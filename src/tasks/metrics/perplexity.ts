/** How many words a language model hesitates between: e to its mean cross entropy in nats; of a large one Infinity. */
export const perplexity = (loss: number): number => Math.exp(loss);
