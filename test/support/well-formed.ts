/** What is not well-formed in an XML document of elements, attributes and text; undefined where nothing is. */
export function xmlProblem(text: string): string | undefined {
  // eslint-disable-next-line no-control-regex
  const forbidden = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/u.exec(text);
  if (forbidden) return `a character that is none at ${forbidden.index}`;
  const open: string[] = [];
  let at = 0;
  let roots = 0;
  const tag = /<(\/?)([A-Za-z][\w:-]*)((?:\s+[A-Za-z_][\w:.-]*="[^"<]*")*)\s*(\/?)>/y;
  while (at < text.length) {
    const next = text.indexOf('<', at);
    const between = text.slice(at, next < 0 ? undefined : next);
    const wrong = textProblem(between) ?? (open.length === 0 && between.trim() ? 'text outside' : undefined);
    if (wrong) return `${wrong}: ${between.slice(0, 80)}`;
    if (next < 0) break;
    tag.lastIndex = next;
    const found = tag.exec(text);
    if (!found) return `no tag: ${text.slice(next, next + 80)}`;
    const [whole, end, name, attributes, empty] = found as unknown as [
      string,
      string,
      string,
      string,
      string,
    ];
    const names = [...attributes.matchAll(/([\w:.-]+)="([^"]*)"/g)];
    if (new Set(names.map(([, key]) => key)).size < names.length) return `an attribute twice: ${whole}`;
    const ofValues = names.map(([, , value]) => textProblem(value!)).find(Boolean);
    if (ofValues) return `${ofValues}: ${whole}`;
    if (end && open.pop() !== name) return `an end without its beginning: ${whole}`;
    if (!end && open.length === 0) roots++;
    if (!end && !empty) open.push(name);
    at = next + whole.length;
  }
  if (open.length > 0) return `never ended: ${open.join(', ')}`;
  return roots === 1 ? undefined : `${roots} roots`;
}

const textProblem = (text: string): string | undefined =>
  text.includes(']]>')
    ? 'the end of CDATA'
    : /&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[\da-f]+);)/i.test(text)
      ? 'an ampersand'
      : undefined;
