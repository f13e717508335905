import { openIndexedDataset } from '../data/indexed/open.js';
import { requireVocabulary } from '../data/indexed/vocabulary.js';
import type { InspectedDataset, Quantiles } from '../inspect/dataset.js';
import { readAnyTokenizer } from '../text/tokenizer-files.js';

/** Sequences whose text is shown, and tokens of each. */
const shownSequences = 5;
const shownTokens = 64;

const number = (value: number) => value.toLocaleString('en');
const listed = (quantiles: Quantiles) =>
  Object.entries(quantiles)
    .map(([name, value]) => `${name} ${number(value)}`)
    .join(', ');

/** @param tokenizer a model folder, or the name of a model on the hub */
export async function describeDataset(
  inspected: InspectedDataset,
  tokenizer: string | undefined,
): Promise<string> {
  const { prefix, layout, dtype, sequences, documents, tokens, vocabulary } = inspected;
  const [magic, name] = layout === 'current' ? ['MMIDIDX', 'current'] : ['TNTIDX', 'classic'];
  return [
    prefix,
    `data set in Megatron-LM's ${name} layout (${magic}), tokens of ${dtype}`,
    `${number(documents)} documents, ${number(sequences)} sequences, ${number(tokens)} tokens`,
    `tokens in a sequence: ${listed(inspected.sequence_lengths)}`,
    `sequences in a document: ${listed(inspected.document_lengths)}`,
    ...(vocabulary ? [`made with a vocabulary of ${number(vocabulary.vocab_size)} tokens`] : []),
    ...(tokenizer === undefined ? [] : await beginning(prefix, tokenizer)),
  ].join('\n');
}

/** The text of the first sequences. */
async function beginning(prefix: string, model: string): Promise<string[]> {
  const tokenizer = await readAnyTokenizer(model);
  const dataset = await openIndexedDataset(prefix);
  try {
    await requireVocabulary(dataset, tokenizer.vocab);
    const lines: string[] = [''];
    for (let i = 0; i < Math.min(shownSequences, dataset.sequenceCount); i++) {
      const length = dataset.lengths[i]!;
      const tokens = await dataset.read(i, 0, Math.min(length, shownTokens));
      lines.push(`${i}: ${tokenizer.decode([...tokens])}${length > shownTokens ? ' …' : ''}`);
    }
    return lines;
  } finally {
    await dataset.close();
  }
}
