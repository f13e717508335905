// with these a page may use several threads
const headers = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

export default {
  base: './',
  worker: { format: 'es' },
  // this package lies two folders above
  server: { headers, fs: { allow: ['../..'] } },
  preview: { headers },
};
