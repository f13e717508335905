import eslint from '@eslint/js';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  {
    ignores: [
      '**/dist',
      'node_modules',
      'runs',
      'src/engine/kernels/assembly',
      'src/engine/kernels/compiled.ts',
      '.venv',
    ],
  },
  eslint.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      // shapes and typed arrays are indexed in loops whose bounds are checked
      '@typescript-eslint/no-non-null-assertion': 'off',
      // an interface may be asynchronous where one implementation is not
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/prefer-for-of': 'off',
    },
  },
  {
    files: ['**/*.mjs', '**/*.js'],
    languageOptions: {
      globals: {
        process: 'readonly',
        console: 'readonly',
        URL: 'readonly',
        Buffer: 'readonly',
        performance: 'readonly',
        setInterval: 'readonly',
        setTimeout: 'readonly',
        WebAssembly: 'readonly',
      },
    },
  },
  {
    files: ['examples/browser/*.js'],
    languageOptions: {
      globals: Object.fromEntries(
        [
          'document',
          'location',
          'setTimeout',
          'clearTimeout',
          'URLSearchParams',
          'Worker',
          'postMessage',
        ].map((name) => [name, 'readonly']),
      ),
    },
  },
  {
    files: ['src/graph/**/*.ts', 'src/model/**/*.ts'],
    ignores: ['**/*.test.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        { patterns: ['node:*', '**/engine/**', '**/parallel/**', '**/train/**'] },
      ],
    },
  },
  {
    // the parts that also run in a browser
    files: [
      'src/browser/**/*.ts',
      'src/pipelines/**/*.ts',
      'src/generation/**/*.ts',
      'src/text/**/*.ts',
      'src/pretrained/**/*.ts',
      'src/tasks/metrics/**/*.ts',
      'src/engine/**/*.ts',
      'src/checkpoint/{half-precision,json-object,safetensors-header,unique-json}.ts',
      'src/hub/{progress,safe-names}.ts',
    ],
    ignores: [
      '**/*.test.ts',
      'src/pipelines/node.ts',
      'src/text/tokenizer-files.ts',
      'src/pretrained/{classes,auto-classes,node-host,verify}.ts',
      'src/pretrained/ranks/{open-ranks,processes,rank-model,rank-thread,threads}.ts',
      'src/pretrained/{adapter,merged-weights,model-files,quantized-weights,save-pretrained,stored-weights,weight-values}.ts',
      'src/engine/node.ts',
      'src/engine/onnx/{c-interface,library}.ts',
    ],
    rules: {
      'no-restricted-globals': ['error', 'Buffer', 'process'],
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              group: [
                ...['node:*', 'koffi', 'onnxruntime-node'],
                ...['**/hub/*', '!**/hub/progress.js', '!**/hub/safe-names.js'],
                ...['**/node.js', '**/node-host.js', '**/classes.js', '**/tokenizer-files.js'],
                ...['**/stored-weights.js', '**/weight-values.js', '**/save-pretrained.js'],
                ...['**/open-ranks.js', '**/processes.js', '**/rank-model.js', '**/threads.js'],
                ...['**/byte-source.js', '**/file-bytes.js', '**/json-file.js', '**/safetensors.js'],
                ...['**/c-interface.js', '**/library.js'],
              ],
              allowTypeImports: true,
            },
          ],
        },
      ],
    },
  },
);
