/** The samples that a rank reads: any of them, at any time. */
import { openSequences, type Sequences } from '../indexed/sequences.js';
import { requireIds } from '../indexed/vocabulary.js';
import {
  emptyBertBatch,
  total,
  writeBertSample,
  type BertBatch,
  type BertSampleOptions,
} from './bert-samples.js';
import type { PreparedSamples } from './prepare.js';
import { randomState } from './random-state.js';
import { openTable, type Table } from './table.js';

export interface Samples<Batch> {
  /** Samples `start` up to `start + count` of the run. */
  readonly batch: (start: number, count: number) => Batch;
  readonly close: () => void;
}

/** Plain data, so that threads can be told it. */
export interface GptSampleOptions {
  /** Tokens that a sample predicts. */
  readonly sequenceLength: number;
  readonly vocabSize: number;
}

/** int32, row-major: [batchSize, sequenceLength] each. */
export interface GptBatch {
  readonly batchSize: number;
  readonly sequenceLength: number;
  readonly input_ids: Int32Array;
  /** The token that follows each. */
  readonly labels: Int32Array;
}

export async function openBertSamples(
  prepared: PreparedSamples,
  options: BertSampleOptions,
): Promise<Samples<BertBatch>> {
  const opened = await openPrepared(prepared, 3);
  const random = randomState(0);
  return {
    batch(start, count) {
      const batch = emptyBertBatch(count, options);
      for (let i = 0; i < count; i++) {
        const { dataset, number } = opened.locate(start + i);
        const { sequences, samples, order } = opened.datasets[dataset]!;
        const [first = 0, end = 0, target = 0] = samples.row(order.row(number)[0]!);
        const lengths = sequences.lengths(first, end);
        const tokens = sequences.tokens(sequences.place(first), total(lengths, lengths.length));
        requireIds(sequences.prefix, tokens, options.vocabSize);
        random.seed((options.seed + number) % 2 ** 32);
        writeBertSample(batch, i, { tokens, lengths, target }, random, options);
      }
      return batch;
    },
    close: () => {
      opened.close();
    },
  };
}

export async function openGptSamples(
  prepared: PreparedSamples,
  { sequenceLength, vocabSize }: GptSampleOptions,
): Promise<Samples<GptBatch>> {
  const opened = await openPrepared(prepared, 2);
  return {
    batch(start, count) {
      const row = () => new Int32Array(count * sequenceLength);
      const batch = { batchSize: count, sequenceLength, input_ids: row(), labels: row() };
      for (let i = 0; i < count; i++) {
        const { dataset, number } = opened.locate(start + i);
        const text = readRunningText(opened.datasets[dataset]!, number, sequenceLength);
        requireIds(opened.datasets[dataset]!.sequences.prefix, text, vocabSize);
        batch.input_ids.set(text.subarray(0, -1), i * sequenceLength);
        batch.labels.set(text.subarray(1), i * sequenceLength);
      }
      return batch;
    },
    close: () => {
      opened.close();
    },
  };
}

/** A sample's tokens and one more, from as many documents as they take. */
function readRunningText(
  { sequences, samples, order, documents }: OpenDataset,
  number: number,
  sequenceLength: number,
): Int32Array {
  const text = new Int32Array(sequenceLength + 1);
  let [place = 0, offset = 0] = samples.row(order.row(number)[0]!);
  for (let filled = 0; filled < text.length; place++, offset = 0) {
    const document = documents!.row(place)[0]!;
    const length = sequences.lengths(document, document + 1)[0]! - offset;
    const taken = Math.min(length, text.length - filled);
    text.set(sequences.tokens(sequences.place(document) + offset, taken), filled);
    filled += taken;
  }
  return text;
}

interface OpenDataset {
  readonly sequences: Sequences;
  readonly samples: Table;
  readonly order: Table;
  readonly documents: Table | undefined;
}

async function openPrepared(prepared: PreparedSamples, columns: number) {
  const datasets: OpenDataset[] = [];
  for (const { prefix, tables } of prepared.datasets)
    datasets.push({
      sequences: await openSequences(prefix),
      samples: openTable(tables.samples, columns),
      order: openTable(tables.order, 1),
      documents: tables.documents === undefined ? undefined : openTable(tables.documents, 1),
    });
  const blend = prepared.blend === undefined ? undefined : openTable(prepared.blend, 2);
  return {
    datasets,
    /** Of which data set a sample is, and its number there. */
    locate(sample: number): { readonly dataset: number; readonly number: number } {
      if (!blend) return { dataset: 0, number: sample };
      const [dataset = 0, number = 0] = blend.row(sample);
      return { dataset, number };
    },
    close() {
      blend?.close();
      for (const { sequences, samples, order, documents } of datasets)
        for (const file of [sequences, samples, order, documents]) file?.close();
    },
  };
}
