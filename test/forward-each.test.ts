import { expect, test } from 'vitest';
import {
  MegatronBertForMaskedLM,
  MegatronBertForQuestionAnswering,
  MegatronBertForSequenceClassification,
  MegatronBertModel,
} from '../src/pretrained/classes.js';
import { difference, fixture } from './support/fixture.js';
import { flattenOutputs } from './support/model-cases.js';

const examples = [3, 11, 4, 20, 1, 12, 3].map((length, i) => ({
  input_ids: Array.from({ length }, (_, j) => 5 + ((7 * i + 3 * j) % 35)),
  token_type_ids: Array.from({ length }, (_, j) => Number(j > length / 2)),
}));

test.each([
  ['model', MegatronBertModel, { output_hidden_states: true }],
  ['masked-lm', MegatronBertForMaskedLM, {}],
  ['classification', MegatronBertForSequenceClassification, {}],
  ['question-answering', MegatronBertForQuestionAnswering, {}],
] as const)(
  '%s: texts of many lengths together give what each gives alone',
  async (name, modelClass, options) => {
    const model = await modelClass.from_pretrained(fixture(`models/${name}`));
    const together = await model.forwardEach(examples, { ...options, batch_tokens: 40 });
    for (const [i, { input_ids, token_type_ids }] of examples.entries()) {
      const alone = await model.forward(
        { input_ids: [input_ids], token_type_ids: [token_type_ids] },
        options,
      );
      const found = flattenOutputs(together[i]!);
      for (const [output, { dims, data }] of flattenOutputs(alone)) {
        expect(found.get(output)!.dims, output).toEqual(dims.slice(1));
        expect(difference(found.get(output)!.data, data), output).toBeLessThan(1e-5);
      }
    }
  },
);

test('logits of the positions that each text asks for', async () => {
  const model = await MegatronBertForMaskedLM.from_pretrained(fixture('models/masked-lm'));
  const asked = examples.map((example, i) => ({
    ...example,
    prediction_positions: i % 2 === 0 ? [0] : [0, 2],
  }));
  const [all, some] = [await model.forwardEach(examples), await model.forwardEach(asked)];
  some.forEach(({ logits }, i) => {
    const places = asked[i]!.prediction_positions;
    expect(logits.dims).toEqual([places.length, 40]);
    places.forEach((place, row) => {
      const expected = all[i]!.logits.data.subarray(place * 40, place * 40 + 40);
      expect(difference(logits.data.subarray(row * 40, row * 40 + 40), expected)).toBeLessThan(1e-5);
    });
  });
});
