/** Whole models as Megatron-LM's checkpoints. */
import type { WholeModel } from '../checkpoint/megatron/model.js';
import { requireDivisible, writeMegatron, type MegatronLayout } from '../checkpoint/megatron/write.js';
import { tensorByteLength } from '../checkpoint/torch/tensor.js';
import { describeFiles } from '../pretrained/model-files.js';
import { wordsOf } from './adapt.js';
import type { ConvertOptions, WrittenFolder } from './options.js';

export async function writeMegatronFolder(
  model: WholeModel,
  folder: string,
  options: ConvertOptions,
  onBytes: (byteLength: number) => void,
): Promise<WrittenFolder> {
  const layout: MegatronLayout = {
    version: options.checkpointVersion ?? 3,
    tensorSize: options.tensorModelParallelSize ?? 1,
    pipelineSize: options.pipelineModelParallelSize ?? 1,
    withArguments: options.withArguments ?? false,
  };
  requireDivisible(model, layout);
  const { version, tensorSize, pipelineSize } = layout;
  const isWritable = version > 0 || model.training?.master === undefined;
  const { training, ...weights } = model;
  const written = isWritable ? model : weights;
  const files = await writeMegatron(written, folder, layout, (tensor) => {
    onBytes(tensorByteLength(tensor));
  });
  return {
    to: `Megatron-LM, version ${version}, ${tensorSize} × ${pipelineSize} partitions`,
    files: await describeFiles(folder, files),
    notes: [...paddingNotes(model), ...(training ? trainingNotes(isWritable, layout) : [])],
  };
}

function paddingNotes(model: WholeModel): string[] {
  const { sizes } = model;
  const words = wordsOf(model);
  return sizes.vocabulary > words
    ? [
        `the vocabulary has ${words} rows, padded to ${sizes.vocabulary}, as Megatron-LM does for so many ranks`,
      ]
    : [];
}

function trainingNotes(isWritable: boolean, { withArguments }: MegatronLayout): string[] {
  if (!isWritable)
    return [
      "the optimizer's state is left out: version 0 keeps that of 16-bit models as an object of its program",
    ];
  return [
    "the optimizer's state is kept, and the ranks' random numbers are not: resume with --no-load-rng",
    ...(withArguments ? [] : ['to resume, Megatron-LM needs the samples consumed too: --with-arguments']),
  ];
}
