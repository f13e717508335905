import { expect, test } from 'vitest';
import { createTokenizer } from '../text/tokenizer.js';
import { describePredictions } from './predictions.js';

const pieces = ['the', 'whale', 'wh', '##al', '##er', 'rose', '.', 'ship', '##s'];
const vocab = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', ...pieces];
const id = (piece: string) => vocab.indexOf(piece);
const ids = (text: string) => text.split(' ').map(id);

test('the pieces of a word are one prediction, and words side by side are two', () => {
  const predictions = [
    { position: 1, id: id('ship'), probability: 0.5 },
    { position: 2, id: id('##s'), probability: 0.25 },
    { position: 3, id: id('##er'), probability: 0.5 },
    { position: 4, id: id('rose'), probability: 0.75 },
    { position: 6, id: id('the'), probability: 0.125 },
  ];
  const samples = [
    { ids: ids('the wh ##al ##er rose . whale'), predictions },
    { ids: ids('the ship ##s'), predictions: [] },
  ];
  expect(
    describePredictions({ kind: 'predicted', iteration: 7, samples }, createTokenizer({ vocab })),
  ).toEqual({
    kind: 'predictions',
    iteration: 7,
    sentences: [
      [
        'the',
        { word: 'whaler', predicted: 'shipser', probability: 0.0625 },
        { word: 'rose', predicted: 'rose', probability: 0.75 },
        '.',
        { word: 'whale', predicted: 'the', probability: 0.125 },
      ],
      ['the ships'],
    ],
  });
});
