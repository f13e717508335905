/** What ends in a full stop without ending a sentence, by language. */

interface Abbreviations {
  /** Before a name or another word. */
  readonly words: string;
  /** Before a number. */
  readonly beforeNumbers: string;
  /** At the end of a sentence as often as not: one ends there before a word that begins sentences. */
  readonly mayEnd: string;
  /** Words that begin sentences. */
  readonly beginnings: string;
  /** Whether `3.` is the third. */
  readonly ordinals?: true;
}

const none: Abbreviations = { words: '', beforeNumbers: '', mayEnd: '', beginnings: '' };

const languages: Readonly<Record<string, Abbreviations>> = {
  en: {
    words:
      'mr mrs ms messrs dr prof rev revd hon gov gen lt col maj sgt capt cmdr adm cpl pvt sen rep pres supt st ste mt ft fr sr jr e.g i.e viz cf vs v approx dept univ assn bros ave blvd rd',
    beforeNumbers:
      'no nos p pp vol vols ch chap sec sect fig figs art eq ver op c ca jan feb mar apr jun jul aug sep sept oct nov dec',
    mayEnd: 'inc co corp ltd jr sr a.m p.m al ph.d b.a m.a m.d',
    beginnings:
      'the a an it its he she they we you i his her their our my this that these those there here in on at by for from with as if when while where who what why how but and or so yet after before since however although though then now no not one some many most all both such',
  },
  de: {
    words:
      'dr prof hr hrn fr frl st z.b d.h u.a z.t i.d.r o.ä u.u v.a v.l.n.r bzw ca vgl sog gem inkl exkl evtl ggf bspw insb hrsg geb gest verh dipl ing med phil jur hl kgl mag str abt allg jh jhd max min mio mrd tel u.s.w',
    beforeNumbers: 'nr s bd abs art abb kap aufl jan febr mär apr jun jul aug sept okt nov dez',
    mayEnd: 'usw etc co',
    beginnings:
      'der die das den dem ein eine es er sie wir ich du ihr in im an am auf aus bei mit nach von zu und aber oder doch denn so da dann wenn als wie was wer wo nun nur auch dies diese dieser dieses jedoch',
    ordinals: true,
  },
  fr: {
    words: 'm mm mme mlle mlles mgr dr me pr st ste p.ex c.-à-d cf av apr env éd vs',
    beforeNumbers: 'n no p pp vol chap fig art t v janv févr avr juil sept oct nov déc',
    mayEnd: 'etc co',
    beginnings:
      'le la les un une des il elle ils elles on nous vous je tu ce cet cette ces dans en à au aux de du par pour sur et mais ou donc or ni car si quand comme qui que où',
  },
  es: {
    words:
      'sr sra srta sres dr dra d dña prof profa gral cap lic ing st sto sta p.ej ej ud uds vd vds av avda',
    beforeNumbers: 'n núm no p pág págs vol cap fig art',
    mayEnd: 'etc cía ee.uu',
    beginnings:
      'el la los las un una unos unas él ella ellos ellas yo tú nosotros en a al de del por para con sin y o pero si cuando como que quien donde este esta estos estas ese esa no',
  },
  it: {
    words: 'sig sigg dott dottssa prof profssa ing avv arch on rev mons gen col cap s es p.es cfr ecc',
    beforeNumbers: 'n nn p pp pag pagg vol cap fig art',
    mayEnd: 'ecc',
    beginnings:
      'il lo la i gli le un uno una egli ella esso essa essi io tu noi voi in a al da di del per con su e o ma se quando come che chi dove questo questa questi queste non',
  },
  pt: {
    words: 'sr sra srta dr dra prof profa eng gen cap d dª exmo exma p.ex ex av',
    beforeNumbers: 'n no p pág págs vol cap fig art',
    mayEnd: 'etc cia',
    beginnings:
      'o a os as um uma uns umas ele ela eles elas eu tu nós em no na nos nas de do da por para com sem e ou mas se quando como que quem onde este esta estes estas não',
  },
  nl: {
    words:
      'dhr mevr mw dr drs ir mr prof ing st bijv bv d.w.z m.a.w o.a i.p.v t.o.v m.b.t n.a.v a.u.b jl ca resp vgl incl excl',
    beforeNumbers: 'nr nrs p blz art fig hfst',
    mayEnd: 'enz etc',
    beginnings:
      'de het een hij zij ze wij we ik jij je u in op aan bij met naar van voor en maar of want dus als wanneer toen dat dit deze die er nu niet',
  },
  sv: {
    words:
      'dr prof hr fr bl.a t.ex d.v.s dvs m.fl m.m f.d s.k p.g.a fr.o.m t.o.m o.dyl resp ca jfr kl st leg',
    beforeNumbers: 'nr s sid kap fig art kl jan febr aug sept okt nov dec',
    mayEnd: 'osv etc m.m m.fl',
    beginnings:
      'den det de en ett han hon vi jag du ni i på av för från med om till vid och men eller så när där här som att detta denna dessa inte efter under',
  },
  da: {
    words: 'dr prof hr fr bl.a f.eks d.v.s dvs m.fl m.m pga ca jf kl st',
    beforeNumbers: 'nr s side kap fig art kl jan feb aug sept okt nov dec',
    mayEnd: 'osv etc m.m m.fl',
    beginnings:
      'den det de en et han hun vi jeg du i på af for fra med om til ved og men eller så når der her som at dette denne disse ikke efter under',
    ordinals: true,
  },
  nb: {
    words: 'dr prof hr fr bl.a f.eks d.v.s dvs m.fl m.m pga ca jf kl st',
    beforeNumbers: 'nr s side kap fig art kl jan feb aug sept okt nov des',
    mayEnd: 'osv etc m.m m.fl',
    beginnings:
      'den det de en et ei han hun vi jeg du i på av for fra med om til ved og men eller så når der her som at dette denne disse ikke etter under',
    ordinals: true,
  },
  sl: {
    words: 'dr mag prof doc g ga gdč sv npr t.i tj oz ipd t.j ing inž univ dipl',
    beforeNumbers: 'št str čl sl pogl',
    mayEnd: 'itd idr ipd',
    beginnings:
      'v na po pri s z k h za od do in a ali ter pa ko če ker da kot ta to te tisti on ona ono mi vi jaz ti ni je so',
    ordinals: true,
  },
};

const same: Readonly<Record<string, string>> = { no: 'nb', nn: 'nb' };

const setOf = (words: string) => new Set(words.split(' ').filter((word) => word !== ''));

/** Tells of a text that seems to end in a sentence, and of what stands after it, whether the sentence goes on. */
export function abbreviationRule(language: string): (before: string, after: string) => boolean {
  const code = new Intl.Locale(language).language;
  const { words, beforeNumbers, mayEnd, beginnings, ordinals } = languages[same[code] ?? code] ?? none;
  const [always, numbered, perhaps, first] = [words, beforeNumbers, mayEnd, beginnings].map(setOf) as [
    Set<string>,
    Set<string>,
    Set<string>,
    Set<string>,
  ];
  const beginsSentence = (after: string) => first.has(/^[\p{L}\p{M}]+/u.exec(after)?.[0].toLowerCase() ?? '');
  return (before, after) => {
    const end = before.trimEnd();
    // "Is it so?" he said.
    if (!end.endsWith('.')) return /["'”’»)\]]$/.test(end) && /^\p{Ll}/u.test(after);
    const [, word] = /(?:^|[\s([{'"‘“„«])([\p{L}\p{M}\p{N}.-]+)\.$/u.exec(end.slice(-40)) ?? [];
    if (word === undefined) return false;
    const lower = word.toLowerCase();
    const isNumber = /^[(["“]?\p{N}/u.test(after);
    if (isNumber && numbered.has(lower)) return true;
    if (ordinals && /^\d{1,2}$/.test(word)) return /^\p{L}/u.test(after) && !beginsSentence(after);
    // initials; "I" alone is a word
    if (/^\p{Lu}$/u.test(word))
      return (code !== 'en' || word !== 'I') && isName(after) && !beginsSentence(after);
    if (/^(\p{Lu}\.)+\p{Lu}$/u.test(word)) return isName(after) && !beginsSentence(after);
    if (perhaps.has(lower)) return /^\p{L}/u.test(after) && !beginsSentence(after);
    return always.has(lower);
  };
}

const isName = (after: string) => /^\p{Lu}/u.test(after);
