/** What people look at after a run: its numbers are there, and texts of others are never more than texts. */
import { parse } from 'yaml';
import { describe, expect, test } from 'vitest';
import { hostile, reportOfLabels, training } from '../../../test/support/report.js';
import { xmlProblem } from '../../../test/support/well-formed.js';
import { cut, visible } from '../../markup.js';
import { markdownText, yamlNumber, yamlText } from './card-text.js';
import { confusionPicture } from './confusion-picture.js';
import { classScores, drawnMetric, evaluationTable, meanScores, mostConfused } from './evaluations.js';
import { modelCard } from './model-card.js';
import { curvesPicture } from './pictures.js';
import type { Report } from './report.js';
import { reportPage } from './report-page.js';

const files = { pictures: ['curves.svg', 'confusion.svg'], version: '1.2.3' };
const plain = reportOfLabels(['ham', 'spam', 'eggs']);
const attacked = reportOfLabels(hostile);

/** What neither XML nor a reader should get. */
// eslint-disable-next-line no-control-regex
const obeyed = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\ufffe]|\p{Surrogate}|\p{Bidi_Control}/u;

describe('texts', () => {
  test('are cut between characters', () => {
    expect(cut('😀😀😀😀', 3)).toBe('😀😀…');
    expect(cut('😀😀😀', 3)).toBe('😀😀😀');
  });

  test.each(hostile)('%j is visible, on one line', (text) => {
    expect(visible(text)).not.toMatch(obeyed);
    expect(visible(text)).not.toContain('\n');
  });

  test.each(hostile)('%j is one scalar of YAML', (text) => {
    const written = yamlText(text);
    expect(written).not.toMatch(obeyed);
    const sound = text.replace(/[\p{Surrogate}\ufffe]/gu, '\ufffd');
    expect(JSON.parse(written)).toBe(sound);
    expect(parse(`key: ${written}`)).toEqual({ key: sound });
  });

  test.each(hostile)('%j is a text of Markdown', (text) => {
    const written = markdownText(text);
    expect(written).not.toMatch(/(?<!\\)[<|`[\]!*_~]|\n|(?<!\\):\/\//);
  });

  test('numbers of YAML', () => {
    expect([0, 0.81254, 100, 1e-9, NaN, Infinity, -2.5].map(yamlNumber)).toEqual([
      ...['0', '0.8125', '100', '0', '.nan', '.inf', '-2.5'],
    ]);
  });
});

describe('numbers', () => {
  test('evaluations, and the training loss before each', () => {
    expect(evaluationTable(training.history)).toEqual({
      metrics: ['loss', 'accuracy'],
      rows: [
        { step: 10, epoch: 0.5, trainingLoss: 1.5, values: [1.25, 0.5] },
        { step: 20, epoch: 1, trainingLoss: 0.75, values: [0.875, 0.8125] },
      ],
    });
    expect(drawnMetric(training.history, 'loss')).toBe('eval_accuracy');
    expect(drawnMetric([{ eval_loss: 1, perplexity: 2, step: 1 }], 'loss')).toBe('perplexity');
    expect(drawnMetric([{ loss: 1, step: 1 }], 'loss')).toBeUndefined();
  });

  test('of each class', () => {
    const scores = classScores({
      labels: ['a', 'b', 'c'],
      counts: [
        [6, 2, 0],
        [3, 9, 0],
        [0, 0, 0],
      ],
    });
    expect(scores[0]).toEqual({ label: 'a', precision: 6 / 9, recall: 6 / 8, f1: 12 / 17, support: 8 });
    expect(scores[2]).toEqual({ label: 'c', precision: 0, recall: 0, f1: 0, support: 0 });
    expect(meanScores(scores)).toMatchObject({ recall: 0.75, support: 20 });
  });

  test('labels that are confused most, in their order', () => {
    const { confusion } = reportOfLabels(['a', 'b', 'c', 'd']).evaluations.eval!.predictions;
    expect(mostConfused(confusion!, 2)).toEqual([1, 2]);
  });
});

describe('pictures', () => {
  test.each([plain, attacked])('are well-formed, whatever the labels are', ({ evaluations, training }) => {
    const { confusion } = evaluations.eval!.predictions;
    for (const svg of [
      confusionPicture(confusion!, hostile.join(' ').slice(0, 20)),
      curvesPicture(training, 'accuracy')!,
    ]) {
      expect(xmlProblem(svg)).toBeUndefined();
      expect(svg).not.toMatch(/NaN|undefined|<script|<img/);
    }
  });

  test('a matrix has its counts and shares', () => {
    const svg = confusionPicture(plain.evaluations.eval!.predictions.confusion!, 'A matrix');
    const texts = [...svg.matchAll(/>([^<>]+)<\/text>/g)].map(([, text]) => text);
    expect(texts).toEqual(expect.arrayContaining(['100', '101', '102', '7', '94 %', '6 %', '0']));
    expect(svg).toContain('<title>spam → ham: 7 of 108 (6 %)</title>');
  });

  test('of many labels those that are confused most are drawn', () => {
    const many = reportOfLabels(Array.from({ length: 40 }, (_, i) => `label ${i}`));
    const svg = confusionPicture(many.evaluations.eval!.predictions.confusion!, 'A matrix');
    expect(svg).toContain('The 30 of 40 labels that are confused most');
    expect(svg.match(/<rect class="cell/g)).toHaveLength(900);
  });

  test('classes without examples, and of one class', () => {
    for (const counts of [[[0]], [[5]]])
      expect(xmlProblem(confusionPicture({ labels: ['a'], counts }, ''))).toBeUndefined();
  });

  test('curves of nothing are none, those of odd numbers are drawn', () => {
    expect(curvesPicture({ ...training, history: [] }, 'accuracy')).toBeUndefined();
    const odd = [
      { loss: NaN, step: 1 },
      { loss: Infinity, step: 2 },
      { eval_loss: 1, eval_accuracy: NaN, step: 2 },
    ];
    const svg = curvesPicture({ ...training, history: odd }, 'accuracy')!;
    expect(xmlProblem(svg)).toBeUndefined();
    expect(svg).not.toMatch(/[",( ](NaN|Infinity)/);
  });
});

describe('the model card', () => {
  /** Its parts, as a hub tells them apart. */
  const read = (card: string) => {
    const [, yaml, body] = /^---\n(.*?)\n---\n(.*)$/s.exec(card) as unknown as [string, string, string];
    return { metadata: parse(yaml) as Record<string, unknown>, yaml, body };
  };

  test('says what a hub reads', () => {
    const { metadata, body } = read(modelCard({ ...plain, model: { name: 'a/b', isOnHub: true } }, files));
    expect(metadata).toEqual({
      library_name: 'transformers',
      base_model: 'a/b',
      pipeline_tag: 'text-classification',
      tags: ['generated_from_trainer', 'megatron-bert'],
      metrics: ['accuracy'],
      'model-index': [
        {
          name: 'ham',
          results: [
            {
              task: { name: 'Text Classification', type: 'text-classification' },
              dataset: { name: 'spam', type: 'ham', split: 'validation' },
              metrics: [{ name: 'Accuracy', type: 'accuracy', value: 0.8125 }],
            },
          ],
        },
      ],
    });
    expect(body).toContain('Its labels are ham, spam, eggs.');
    expect(body).toContain('| 0.7500 | 1 | 20 | 0.8750 | 0.8125 |');
    expect(body).toContain('npx megatron-bert run text-classification --model .');
    expect(body).toContain('](curves.svg)');
  });

  test('a folder here is no base model of the hub', () => {
    const { metadata, body } = read(modelCard({ ...plain, model: { name: 'x', isOnHub: false } }, files));
    expect(metadata).not.toHaveProperty('base_model');
    expect(body).not.toContain('huggingface.co');
  });

  test.each([
    [{ isBestKept: true, bestStep: 20 }, 'It is the model of step 20, the best by Accuracy.'],
    [{ isBestKept: false, lastStep: 30 }, 'It is the model of the last step, 30.'],
  ])('which model was kept: %o', (kept, said) => {
    const report = { ...plain, training: { ...training, ...kept } };
    expect(read(modelCard(report, files)).body).toContain(said);
    expect(reportPage(report)).toContain(said);
  });

  test('an adapter is loaded with PEFT', () => {
    const adapter = { ...plain, training: { ...training, isAdapter: true } };
    const { metadata, body } = read(modelCard(adapter, files));
    expect(metadata).toMatchObject({ library_name: 'peft' });
    expect(body).toContain('PeftModel.from_pretrained(base, ".")');
  });

  test('texts of others are texts', () => {
    for (const name of hostile) {
      const report = reportOfLabels([name, ...hostile]);
      const { metadata, yaml, body } = read(modelCard(report, files));
      expect(yaml).not.toMatch(obeyed);
      expect(Object.keys(metadata)).toEqual([
        ...['library_name', 'base_model', 'pipeline_tag', 'tags', 'metrics', 'model-index'],
      ]);
      const outside = body.replace(/^```.*?^```$/gms, '');
      expect(outside).not.toMatch(/(?<!\\)<[a-z/!]/i);
      expect(outside).not.toMatch(obeyed);
      expect(outside.replace(/\]\(https:\/\/huggingface\.co\/[^)\s]*\)/, '')).not.toMatch(
        /https?:\/\/|(?<!\\)!\[x/,
      );
    }
  });
});

describe('the page', () => {
  test('has the numbers of the run', () => {
    const page = reportPage(plain);
    for (const shown of ['0.8125', 'Support', '20 (best)', '5e-05', '1.5 min'])
      expect(page, shown).toContain(shown);
    expect(page).toMatch(/<td data-name="Predicted"[^>]*><bdi>eggs<\/bdi>/);
  });

  test.each([plain, attacked])('needs no other file, and no script', (report) => {
    const page = reportPage(report);
    expect(/<script|<img|<iframe|<object|\son\w+=(?![^<>]*&gt;)/i.exec(page)?.[0]).toBeUndefined();
    expect([...page.matchAll(/\s(?:src|href)="([^"]*)"/g)].map(([, to]) => to)).toEqual(['data:,']);
    expect(page).not.toMatch(/url\(|@import/);
    expect(page).not.toMatch(obeyed);
  });

  test('its markup is well-formed but for what HTML leaves out', () => {
    const body = /<body>.*<\/body>/s.exec(reportPage(attacked))![0];
    expect(xmlProblem(body.replaceAll('<details class="card" open>', '<details>'))).toBeUndefined();
  });

  test('of a model that was only measured has no training', () => {
    const page = reportPage(
      Object.fromEntries(Object.entries(plain).filter(([name]) => name !== 'training')) as unknown as Report,
    );
    expect(page).toContain('<h1>Evaluation of ham</h1>');
    expect(page).not.toContain('Hyper-parameters');
  });

  test('of a task without classes has no matrix', () => {
    const { eval: one } = plain.evaluations;
    const page = reportPage({
      ...plain,
      task: 'masked-lm',
      evaluations: { eval: { ...one!, predictions: { files: [], worst: [] } } },
    });
    expect(page).not.toMatch(/Confusion|Worst/);
  });
});
