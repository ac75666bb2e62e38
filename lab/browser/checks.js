// What only a browser can tell of a page. Each check returns what is wrong with
// it, as texts; none for a page that is well.
window.checks = (() => {
  const all = selector => [...document.querySelectorAll(selector)];
  const name = element => {
    const id = element.id ? '#' + element.id : '';
    const classes = element.getAttribute('class');
    return element.localName + id + (classes ? '.' + classes.trim().replace(/\s+/g, '.') : '');
  };
  const shown = element => element.checkVisibility({ visibilityProperty: true, opacityProperty: true, contentVisibilityAuto: true });
  const texts = () => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    while (walker.nextNode()) {
      if (walker.currentNode.data.trim()) found.push(walker.currentNode);
    }
    return found;
  };

  // Relative luminance and contrast, as WCAG 2.2 defines them.
  const channels = color => color.match(/[\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const linear = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  };
  const ratio = (a, b) => {
    const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (light + 0.05) / (dark + 0.05);
  };
  const ground = element => {
    for (; element; element = element.parentElement) {
      const color = channels(getComputedStyle(element).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
      if (color[3] > 0) throw new Error('background of ' + name(element) + ' is half transparent');
    }
    return [255, 255, 255];
  };

  return {
    // openAll opens what is folded.
    openAll() { all('details').forEach(details => { details.open = true; }); },

    harmless() {
      const wrong = [];
      all('script, img, iframe, object, embed, form, base, meta[http-equiv="refresh"]').forEach(e => wrong.push('has ' + name(e)));
      all('*').forEach(e => [...e.attributes].forEach(a => {
        if (/^on|^style$/.test(a.name)) wrong.push(name(e) + ' has the attribute ' + a.name);
      }));
      all('[href], [src]').forEach(e => {
        if (!/^(#|https?:|data:,$)/.test(e.getAttribute('href') ?? e.getAttribute('src'))) wrong.push('leads to ' + e.outerHTML);
      });
      return wrong;
    },

    // isolated finds what is written from right to left, or turns the direction of
    // writing, without a <bdi> of its own.
    isolated() {
      return texts().filter(text => /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069]/.test(text.data) && !text.parentElement.closest('bdi, svg title'))
        .map(text => name(text.parentElement) + ' is not isolated: ' + text.data);
    },

    // inOrder finds the page's own words where what stands before them has turned
    // them round.
    inOrder() {
      const left = (text, i) => {
        const range = document.createRange();
        range.setStart(text, i);
        range.setEnd(text, i + 1);
        return range.getClientRects()[0];
      };
      return texts().filter(text => !text.parentElement.closest('bdi, svg') && shown(text.parentElement)).filter(text => {
        const first = text.data.search(/\S/);
        const from = left(text, first), to = left(text, text.data.trimEnd().length - 1);
        return from && to && from.top === to.top && from.left > to.left;
      }).map(text => name(text.parentElement) + ' is turned round: ' + text.data);
    },

    structure() {
      const wrong = [];
      const one = selector => { if (all(selector).length !== 1) wrong.push(all(selector).length + ' of ' + selector); };
      ['h1', 'main', 'body > header', 'nav[aria-label]', 'body > footer', 'html[lang]', 'head > title'].forEach(one);
      let level = 0;
      all('h1, h2, h3, h4, h5, h6').forEach(h => {
        if (+h.localName[1] > level + 1) wrong.push('h' + level + ' is followed by ' + h.localName);
        level = +h.localName[1];
      });
      all('table').forEach(t => { if (!t.caption) wrong.push('a table has no caption'); });
      all('th').forEach(th => { if (!th.scope) wrong.push('th ' + th.textContent + ' has no scope'); });
      all('svg').forEach(svg => {
        if (svg.getAttribute('aria-hidden') !== 'true' && !(svg.getAttribute('role') === 'img' && svg.getAttribute('aria-label'))) {
          wrong.push(name(svg) + ' has no words');
        }
      });
      all('a').forEach(a => { if (!a.textContent.trim()) wrong.push('a link has no words'); });
      all('section').forEach(s => { if (!document.getElementById(s.getAttribute('aria-labelledby'))) wrong.push(name(s) + ' has no heading'); });
      all('a[href^="#"]').forEach(a => { if (!document.querySelector(a.getAttribute('href'))) wrong.push(a.href + ' leads nowhere'); });
      const ids = all('[id]').map(e => e.id);
      ids.filter((id, i) => ids.indexOf(id) !== i).forEach(id => wrong.push('two have the id ' + id));
      return wrong;
    },

    // wide finds what makes the page wider than the window.
    wide() {
      const width = document.documentElement.clientWidth;
      if (document.documentElement.scrollWidth <= width) return [];
      const wider = all('body *').filter(e => shown(e) && e.getBoundingClientRect().right > width + 0.5).map(name);
      return ['it is ' + document.documentElement.scrollWidth + ' wide instead of ' + width, ...new Set(wider)];
    },

    // contrast finds text and bars that are hard to see (WCAG 2.2, AA: 1.4.3 and 1.4.11).
    contrast() {
      const wrong = new Set();
      const need = (least, what, front, back) => {
        const got = ratio(front, back);
        if (got < least) wrong.add(`${what}: ${got.toFixed(2)}, and not ${least}`);
      };
      texts().map(text => text.parentElement).filter(e => shown(e) && !e.closest('.unseen, .skip, svg title')).forEach(e => {
        const style = getComputedStyle(e);
        need(4.5, 'text of ' + name(e), channels(e.closest('svg') ? style.fill : style.color), ground(e));
      });
      all('svg.bar rect, svg.lane rect, svg.swatch rect').filter(shown).forEach(rect => {
        const fill = getComputedStyle(rect).fill;
        if (fill.startsWith('rgb') && !rect.matches('.pending')) need(3, name(rect) + ' of ' + name(rect.ownerSVGElement), channels(fill), ground(rect));
      });
      return [...wrong];
    },

    // stops are what the Tab key has to reach, in order.
    stops() {
      return all('a[href], summary').filter(shown).map((e, i) => {
        e.dataset.stop = i;
        return name(e);
      });
    },

    // focused is where the focus is, and whether it can be seen there.
    focused() {
      const e = document.activeElement;
      const style = getComputedStyle(e);
      const box = e.getBoundingClientRect();
      return {
        stop: e.dataset.stop === undefined ? -1 : +e.dataset.stop,
        name: name(e),
        seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 &&
          box.width > 0 && box.left >= 0 && box.bottom > 0 && box.top < innerHeight &&
          ratio(channels(style.outlineColor), ground(e.parentElement)) >= 3,
      };
    },
  };
})();
