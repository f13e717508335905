#!/usr/bin/env bash
# A run on 16 nodes of a Slurm cluster, 4 processes on each: sbatch examples/slurm.sh
# It stops before its time is over and puts itself into the queue again, until the last iteration is done.
#SBATCH --job-name=megatron-bert
#SBATCH --nodes=16
#SBATCH --ntasks-per-node=4
#SBATCH --cpus-per-task=16
#SBATCH --time=04:00:00
#SBATCH --open-mode=append
set -euo pipefail

# data sets, tokenizer and output lie where all nodes see them
data=${DATA:?the folder of the data sets}
output=${OUTPUT:?the folder of the run}

# ranks of a matrix are neighbours: 4 on a node; 8 stages; 2 replicas
srun npx megatron-bert pretrain "$data/corpus_text_sentence" --tokenizer "$data/tokenizer" --output "$output" \
  --tensor-model-parallel-size 4 --sequence-parallel --pipeline-model-parallel-size 8 --use-distributed-optimizer \
  --num-layers 24 --hidden-size 2048 --num-attention-heads 32 --sequence-length 512 \
  --micro-batch-size 4 --global-batch-size 1024 --train-iterations 100000 --threads 16 \
  --exit-duration-in-mins 220 --resume

[ -e "$output/summary.json" ] || sbatch "$0"
