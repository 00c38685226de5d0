namespace LlmRL.Runs;

/// <summary>The style and the script of a report.</summary>
internal static class ReportAssets
{
    /// <summary>Series colours differ in lightness as well as in hue, so that they stay apart for colour-blind readers and in grey.</summary>
    public const string Style = """
        :root{--bg:#f6f7f9;--card:#fff;--ink:#1a1f27;--soft:#59636f;--line:#dfe3e8;--grid:#eceff2;--accent:#0b63b0;--good:#0a7a45;--bad:#b3301c;
        --c0:#0b63b0;--c1:#d1600a;--c2:#12876a;--c3:#a8478c;--c4:#4aa3d8;--c5:#8a6d00}
        @media(prefers-color-scheme:dark){:root{--bg:#12151a;--card:#1a1e25;--ink:#e8ebef;--soft:#9ca6b2;--line:#2c333d;--grid:#262c35;--accent:#6cb4f5;
        --good:#4cc98a;--bad:#ff8a73;--c0:#6cb4f5;--c1:#ff9a4d;--c2:#3fc9a0;--c3:#e08cc6;--c4:#a9dcff;--c5:#e0c04a}}
        *{box-sizing:border-box}
        html{scroll-padding-top:4.5rem}
        body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
        header{position:sticky;top:0;z-index:2;display:flex;flex-wrap:wrap;gap:.2rem 2rem;align-items:center;justify-content:space-between;
        padding:.7rem max(1.5rem,calc((100vw - 1280px)/2 + 1.5rem));background:var(--card);border-bottom:1px solid var(--line)}
        header h1{margin:0;font-size:1.15rem;font-weight:650}
        header p{margin:0;color:var(--soft);font-size:.85rem;white-space:pre-wrap}
        nav{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem}
        a{color:var(--accent);text-decoration:none}a:hover{text-decoration:underline}
        main{max-width:1280px;margin:0 auto;padding:0 1.5rem 4rem}
        section{margin-top:2.2rem}
        h2{margin:0;font-size:1.3rem;font-weight:650}
        h2 small{margin-left:.4rem;font-size:.95rem;font-weight:400;color:var(--soft)}
        h3{margin:1.2rem 0 .2rem;font-size:1rem}
        .lead{margin:.1rem 0 1rem;color:var(--soft)}
        .note{margin:.5rem 0;color:var(--soft);font-size:.85rem}
        .better{color:var(--good)}.worse{color:var(--bad)}
        .tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(220px,1fr));gap:14px;margin-bottom:14px}
        .tile{display:flex;flex-direction:column;padding:14px 18px;background:var(--card);border:1px solid var(--line);border-radius:10px}
        .tile span{color:var(--soft);font-size:.85rem}
        .tile strong{font-size:1.65rem;font-weight:650;font-variant-numeric:tabular-nums;letter-spacing:-.01em}
        .tile i{color:var(--soft);font-style:normal;font-weight:400}
        .scroll{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:10px}
        table{width:100%;border-collapse:collapse;font-size:.9rem}
        th,td{padding:.5rem .9rem;text-align:left;vertical-align:top;border-top:1px solid var(--line)}
        thead th{border-top:0;color:var(--soft);font-weight:500;font-size:.82rem}
        tbody th{font-weight:600;white-space:nowrap}
        td.n,th.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
        td.wide{width:45%;min-width:16rem;color:var(--soft)}
        section#stages{margin-top:2.2rem}#stages h2{margin-bottom:.7rem}
        .span{height:.65rem;margin-top:.4rem;min-width:2px;border-radius:3px;background:var(--c0);opacity:.75}
        .grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,370px),1fr));gap:14px;margin-top:14px}
        .plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,560px),1fr));gap:14px;margin-top:14px}
        td.best{font-weight:650}td.failed{color:var(--bad)}
        .chart{display:flex;flex-direction:column;margin:0;padding:14px 14px 8px;background:var(--card);border:1px solid var(--line);border-radius:10px}
        figcaption b{display:block;font-weight:600;font-size:.95rem}
        figcaption span{display:block;color:var(--soft);font-size:.8rem;line-height:1.4;margin-bottom:.4rem}
        .legend{display:flex;flex-wrap:wrap;gap:.1rem .9rem;color:var(--soft);font-size:.8rem;margin-bottom:.2rem}
        .legend i{display:inline-block;width:.7rem;height:.7rem;margin-right:.35rem;border-radius:2px;vertical-align:-1px}
        .chart svg{display:block;width:100%;height:auto;margin-top:auto;overflow:visible}
        .axis text{fill:var(--soft);font-size:11px;font-variant-numeric:tabular-nums}
        .value text{fill:var(--ink);font-size:11px;font-variant-numeric:tabular-nums}
        .grid .grid,line.grid{stroke:var(--grid)}line.base{stroke:var(--line)}
        .line,.raw{fill:none;stroke-linejoin:round;stroke-linecap:round}
        .band{opacity:.16}.line{stroke-width:2}.line.d1{stroke-dasharray:7 4}.line.d2{stroke-dasharray:2 4}
        .legend .d1{background-image:repeating-linear-gradient(90deg,transparent 0 3px,var(--card) 3px 5px)}
        .legend .d2{background-image:repeating-linear-gradient(90deg,transparent 0 1.5px,var(--card) 1.5px 3px)}
        .raw{stroke-width:1;opacity:.32}
        rect.alarm{fill:var(--bad);opacity:.09}line.alarm{stroke:var(--bad);stroke-width:1.2;stroke-dasharray:4 3}
        td.alarm{min-width:17rem}
        .whisker{fill:none;stroke:var(--ink);stroke-width:1.3;opacity:.75}
        .point{opacity:.75}.faint{opacity:.35}
        .cursor{stroke:var(--soft);stroke-dasharray:2 3;visibility:hidden}
        .s0{stroke:var(--c0)}.s1{stroke:var(--c1)}.s2{stroke:var(--c2)}.s3{stroke:var(--c3)}.s4{stroke:var(--c4)}.s5{stroke:var(--c5)}
        .f0{fill:var(--c0)}.f1{fill:var(--c1)}.f2{fill:var(--c2)}.f3{fill:var(--c3)}.f4{fill:var(--c4)}.f5{fill:var(--c5)}
        .k0{background:var(--c0)}.k1{background:var(--c1)}.k2{background:var(--c2)}.k3{background:var(--c3)}.k4{background:var(--c4)}.k5{background:var(--c5)}
        #tip{position:fixed;z-index:3;display:none;pointer-events:none;padding:.4rem .6rem;background:var(--card);border:1px solid var(--line);border-radius:6px;
        box-shadow:0 3px 14px #0003;font-size:.8rem;font-variant-numeric:tabular-nums;white-space:nowrap}
        #tip i{display:inline-block;width:.6rem;height:.6rem;margin-right:.35rem;border-radius:2px}
        #tip em{color:var(--soft);font-style:normal}
        details{margin-top:12px}
        summary{cursor:pointer;color:var(--accent);font-size:.9rem}
        pre{margin:.3rem 0 0;white-space:pre-wrap;overflow-wrap:anywhere;font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
        code{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
        .recipe{padding:14px 18px;background:var(--card);border:1px solid var(--line);border-radius:10px}
        article{margin-top:12px;background:var(--card);border:1px solid var(--line);border-radius:10px;overflow:hidden}
        .prompt{padding:12px 16px;border-bottom:1px solid var(--line)}
        .answers{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,280px),1fr));gap:1px;background:var(--line)}
        .answer{padding:12px 16px;background:var(--card)}
        .answer pre,.prompt pre,.training pre{max-height:22rem;overflow-y:auto}
        .training pre{margin:0}
        .tag{margin-right:.6rem;color:var(--soft);font-size:.8rem;font-weight:600}
        .tag.better{color:var(--good)}.tag.worse{color:var(--bad)}
        .score{color:var(--soft);font-size:.8rem;font-variant-numeric:tabular-nums}
        dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1.2rem;margin:.8rem 0}
        dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
        @media(max-width:820px){td.wide,th.wide{display:none}.tile strong{font-size:1.25rem}}
        @media print{header{position:static}.chart,article{break-inside:avoid}}
        """;

    /// <summary>Shows the numbers under the pointer; the page is complete without it.</summary>
    public const string Script = """
        'use strict';
        const tip = document.getElementById('tip');
        const text = (tag, content) => { const e = document.createElement(tag); e.textContent = content; return e; };
        for (const figure of document.querySelectorAll('.chart')) {
          const block = figure.querySelector('script[type="application/json"]');
          if (!block) continue;
          const chart = JSON.parse(block.textContent), svg = figure.querySelector('svg'), cursor = figure.querySelector('.cursor');
          const [left, right] = chart.area;
          const hide = () => { tip.style.display = 'none'; cursor.style.visibility = 'hidden'; };
          svg.addEventListener('pointerleave', hide);
          svg.addEventListener('pointermove', event => {
            const box = svg.getBoundingClientRect();
            const px = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
            if (px < left - 4 || px > right + 4) { hide(); return; }
            const x = chart.low + (px - left) / (right - left) * (chart.high - chart.low);
            let at = null;
            const rows = [];
            chart.series.forEach(s => {
              if (!s.x.length) return;
              let lo = 0, hi = s.x.length - 1;
              while (hi - lo > 1) { const mid = (lo + hi) >> 1; if (s.x[mid] < x) lo = mid; else hi = mid; }
              const i = Math.abs(s.x[lo] - x) <= Math.abs(s.x[hi] - x) ? lo : hi;
              if (at === null || Math.abs(s.x[i] - x) < Math.abs(at - x)) at = s.x[i];
              const row = document.createElement('div'), dot = document.createElement('i');
              dot.className = 'k' + s.colour;
              row.append(dot, text('span', s.name + ' '), text('b', s.y[i]));
              if (s.trend) row.append(text('em', '  trend ' + s.trend[i]));
              rows.push(row);
            });
            if (at === null) return;
            tip.replaceChildren(text('em', chart.label + ' ' + Math.round(at).toLocaleString('en')), ...rows);
            tip.style.display = 'block';
            const wide = tip.offsetWidth, over = event.clientX + 16 + wide > innerWidth;
            tip.style.left = (over ? event.clientX - wide - 12 : event.clientX + 16) + 'px';
            tip.style.top = Math.max(8, event.clientY - tip.offsetHeight - 10) + 'px';
            const cx = left + (at - chart.low) / (chart.high - chart.low) * (right - left);
            cursor.setAttribute('x1', cx); cursor.setAttribute('x2', cx); cursor.style.visibility = 'visible';
          });
        }
        """;
}
