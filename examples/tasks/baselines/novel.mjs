// The novel: which word is hidden, by the words beside it, and how likely each token is after those before it.
import { readAnyTokenizer } from '../../../dist/index.js';
import { createTable, increment, mostFrequent } from './counting.mjs';
import { trainTrigrams } from './trigrams.mjs';

export async function novelBaselines({ train, validation }, tokenizerFolder, blockLength) {
  // words and marks; marks are neighbours, but are not guessed
  const wordsAndMarks = (text) => text.match(/[\p{L}\p{N}]+(?:['’][\p{L}]+)*|[^\s\p{L}\p{N}]/gu) ?? [];
  const isWord = (word) => /^[\p{L}\p{N}]/u.test(word);
  const ofWords = hiddenBaselines(train.map(wordsAndMarks), validation.map(wordsAndMarks), isWord, 'words');
  if (tokenizerFolder === undefined) return ofWords;

  const tokenizer = await readAnyTokenizer(tokenizerFolder);
  const encode = (text) => tokenizer.encode(text, null, { truncation: false }).input_ids;
  const special = new Set(tokenizer.added_tokens.filter((token) => token.special).map(({ id }) => id));
  const ofTokens = hiddenBaselines(
    train.map(encode),
    validation.map(encode),
    (id) => !special.has(id),
    'tokens',
  );

  const blocks = {
    train: cutBlocks(train, encode, blockLength),
    validation: cutBlocks(validation, encode, blockLength),
  };
  const models = trainTrigrams(blocks.train, tokenizer.vocabSize);
  const perplexities = Object.entries(models).map(([baseline, probability]) => ({
    ...{
      task: 'novel',
      baseline: `${baseline}, blocks of ${blockLength}`,
      split: 'validation',
      metric: 'perplexity',
    },
    value: perplexity(blocks.validation, probability),
  }));
  return [...ofWords, ...ofTokens, ...perplexities];
}

/** The share of hidden words that are guessed where each is hidden in turn and all others are seen. */
function hiddenBaselines(train, validation, isGuessed, what) {
  const counts = new Map();
  const afterLeft = createTable();
  const between = createTable();
  for (const sequence of train)
    sequence.forEach((word, i) => {
      if (!isGuessed(word)) return;
      increment(counts, word);
      afterLeft.add(sequence[i - 1], word);
      between.add(`${sequence[i - 1]} ${sequence[i + 1]}`, word);
    });
  const commonest = mostFrequent(counts);
  const byLeft = (left) => afterLeft.likeliest(left) ?? commonest;
  const guesses = {
    'the most frequent': () => commonest,
    'by the one to the left': byLeft,
    'by both neighbours': (left, right) => between.likeliest(`${left} ${right}`) ?? byLeft(left),
  };
  return Object.entries(guesses).map(([baseline, guess]) => {
    let right = 0;
    let all = 0;
    for (const sequence of validation)
      sequence.forEach((word, i) => {
        if (!isGuessed(word)) return;
        all += 1;
        if (guess(sequence[i - 1], sequence[i + 1]) === word) right += 1;
      });
    return {
      ...{ task: 'novel', baseline: `hidden ${what}, ${baseline}`, split: 'validation', metric: 'accuracy' },
      value: right / all,
    };
  });
}

/** As fine-tuning does: a thousand texts are joined, and what is left of them after the last whole block is dropped. */
function cutBlocks(texts, encode, length) {
  const blocks = [];
  for (let start = 0; start < texts.length; start += 1000) {
    const joined = texts.slice(start, start + 1000).flatMap(encode);
    for (let at = 0; at + length <= joined.length; at += length) blocks.push(joined.slice(at, at + length));
  }
  return blocks;
}

/** Of all tokens of blocks but the first, which nothing stands before. */
function perplexity(blocks, probability) {
  let sum = 0;
  let count = 0;
  for (const block of blocks)
    for (let i = 1; i < block.length; i++) {
      sum -= Math.log(probability(block[i - 2], block[i - 1], block[i]));
      count += 1;
    }
  return Math.exp(sum / count);
}
