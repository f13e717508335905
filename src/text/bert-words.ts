import { BertNormalizer, BertPreTokenizer } from '@huggingface/tokenizers';

/** `normalizer` of tokenizer.json. Accents go when case goes, as in BERT. */
export const bertNormalizerConfig = (lowercase: boolean) => ({
  type: 'BertNormalizer',
  clean_text: true,
  handle_chinese_chars: true,
  strip_accents: null,
  lowercase,
});

/** Splits text as BERT does before it looks for pieces: into words, signs and Chinese characters. */
export function bertWords(lowercase: boolean): (text: string) => string[] {
  const normalizer = new BertNormalizer(bertNormalizerConfig(lowercase) as never);
  const preTokenizer = new BertPreTokenizer();
  return (text) => preTokenizer.pre_tokenize(normalizer.normalize(text));
}
