using LlmRL.Tokenization.Chat;

namespace LlmRL.Tests.Tokenization.Chat;

/// <summary>The language of templates: what each line prints follows from Jinja's and Python's documentation.</summary>
public class TemplateLanguageTests
{
    [Theory]
    [InlineData("a {# note #}\nb", "a b")]
    [InlineData("{% if true %}\n  x\n{% endif %}\ny", "  x\ny")]
    [InlineData("  {% if true %}x{% endif %}\n", "x")]
    [InlineData("a  {% if true %} x{% endif %}\n\n", "a   x")]
    [InlineData("a \n {%- if true -%} \n x \n {%- endif -%} \n b", "axb")]
    [InlineData("a \n {{- 1 -}} \n b", "a1b")]
    [InlineData("  {%+ if true +%}\nx{% endif %}", "  \nx")]
    [InlineData("{{ 1 }}\n{{ 2 }}\n", "1\n2")]
    [InlineData("a\r\nb", "a\nb")]
    [InlineData("{% raw %}{{ x }} {% if %}{% endraw %}!", "{{ x }} {% if %}!")]
    [InlineData("{{ '%}' ~ '}}' }}", "%}}}")]
    [InlineData("{{ {'a': {'b': 1}} }}", "{'a': {'b': 1}}")]
    public void Whitespace_control_is_that_of_trim_blocks_and_lstrip_blocks(string template, string expected) => Check(template, expected);

    [Theory]
    [InlineData("{{ 1 + 2 * 3 ** 2 }}", "19")]
    [InlineData("{{ -7 // 2 }} {{ -7 % 2 }} {{ 7 / 2 }} {{ 4 / 2 }}", "-4 1 3.5 2.0")]
    [InlineData("{{ 1e16 }} {{ 0.00001 }} {{ 123456789.125 }} {{ 1.0 }} {{ -0.0001 }} {{ 1e15 }}", "1e+16 1e-05 123456789.125 1.0 -0.0001 1000000000000000.0")]
    [InlineData("{{ 'a' ~ 1 ~ none ~ true }}", "a1NoneTrue")]
    [InlineData("{{ 'a' 'b' + 'c' * 3 }}", "abccc")]
    [InlineData("{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 'b' > 'a' }} {{ [1, 2] < [1, 3] }}", "True False True True")]
    [InlineData("{{ 1 == 1.0 }} {{ true == 1 }} {{ '1' == 1 }} {{ [1, {'a': none}] == [1, {'a': none}] }} {{ (1,) == [1] }}", "True True False True False")]
    [InlineData("{{ 'ell' in 'hello' }} {{ 3 not in [1, 2] }} {{ 'k' in {'k': 1} }} {{ 'x' in missing }}", "True True True False")]
    [InlineData("{{ not 1 == 2 and not false or false }}", "True")]
    [InlineData("{{ '' or 'b' }} {{ 'a' and 'c' }} {{ none or 0 }}", "b c 0")]
    [InlineData("{{ 'y' if 1 > 2 else 'n' }}[{{ 'y' if false }}]", "n[]")]
    [InlineData("{{ 'abc'[0] }}{{ 'abc'[-1] }} {{ 'abcdef'[1:4] }} {{ 'abcdef'[::-2] }} {{ [1, 2, 3][:-1] }} {{ [1, 2, 3][5:] }} {{ '🦙ab'[1:] }}", "ac bcd fdb [1, 2] [] ab")]
    [InlineData("{{ {'a': [1, 2]}.a[1] }} {{ {'a': 1}['a'] }} {{ [[1, 2], 3].0.1 }} {{ missing is defined }} {{ [1][4] is defined }}", "2 1 2 False False")]
    [InlineData("{{ [1, 'a\\'b', \"q\", none, 1.5, ('x',), {'k': true}] }}", "[1, \"a'b\", 'q', None, 1.5, ('x',), {'k': True}]")]
    [InlineData("{{ '\\n\\t\\x41\\u00e9\\\\' }}", "\n\tAé\\")]
    [InlineData("{{ '%s is %d' % ('a', 3) }} {{ '{} {1} {k}'.format('x', 'y', k=2) }}", "a is 3 x y 2")]
    [InlineData("[{{ missing }}] [{{ none }}]", "[] [None]")]
    public void Expressions_are_pythons(string template, string expected) => Check(template, expected);

    [Theory]
    [InlineData("{% for x in [1, 2, 3] %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.first }}{{ loop.last }}{{ loop.length }};{% endfor %}",
        "103TrueFalse3;212FalseFalse3;321FalseTrue3;")]
    [InlineData("{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}={{ v }},{% endfor %}", "a=1,b=2,")]
    [InlineData("{% for x in [1, 2, 3, 4] if x is even %}{{ x }}/{{ loop.length }} {% endfor %}", "2/2 4/2 ")]
    [InlineData("{% for x in [] %}x{% else %}none{% endfor %}{% for x in missing %}x{% endfor %}", "none")]
    [InlineData("{% for x in range(10) %}{% if x == 2 %}{% continue %}{% endif %}{% if x > 4 %}{% break %}{% endif %}{{ x }}{% endfor %}", "0134")]
    [InlineData("{% for x in [1, 2] %}{{ loop.previtem }}-{{ loop.nextitem }} {{ loop.cycle('a', 'b') }} {% endfor %}", "-2 a 1- b ")]
    [InlineData("{% for x in range(2) %}{% for y in range(2) %}{{ loop.depth }}{{ y }} {% endfor %}{% endfor %}", "20 21 20 21 ")]
    [InlineData("{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = 5 %}{% endfor %}{{ x }}", "111")]
    [InlineData("{% set ns = namespace(n=0, s='') %}{% for i in [1, 2] %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}{{ ns.s }}", "3")]
    [InlineData("{% if true %}{% set x = 2 %}{% endif %}{{ x }}{% set a, b = 1, 'z' %}{{ a }}{{ b }}", "21z")]
    [InlineData("{% set x %}a{{ 1 }}{% endset %}[{{ x }}]{% set y | upper | trim %} b {% endset %}[{{ y }}]", "[a1][B]")]
    [InlineData("{% macro m(a, b='-') %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}{{ m(1, b=2) }}{{ m(*[7, 8]) }}{{ m(**{'a': 9}) }}", "1-12789-")]
    [InlineData("{% macro f(n) %}{{ n }}{% if n > 1 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}", "321")]
    [InlineData("{% macro box() %}<{{ caller(2) }}>{% endmacro %}{% call(x) box() %}{{ x * 2 }}{% endcall %}", "<4>")]
    [InlineData("{% filter upper %}a{{ 'b' }}{% endfilter %}{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a is defined }}", "AB3False")]
    [InlineData("{% generation %}x{% endgeneration %}", "x")]
    [InlineData("{% if false %}a{% elif 0 %}b{% elif 'x' %}c{% else %}d{% endif %}", "c")]
    [InlineData("{% for c in 'aé🦙' %}{{ c }},{% endfor %}{{ 'aé🦙' | length }}", "a,é,🦙,3")]
    public void Statements_have_the_scopes_of_jinja(string template, string expected) => Check(template, expected);

    [Theory]
    [InlineData("{{ ' a ' | trim }}|{{ 'xax' | trim('x') }}|{{ 'Ab' | upper }}|{{ 'Ab' | lower }}|{{ 'ab cd' | title }}|{{ 'aB' | capitalize }}", "a|a|AB|ab|Ab Cd|Ab")]
    [InlineData("{{ [1, 2] | join(', ') }} {{ [{'a': 1}, {'a': 2}] | join('-', attribute='a') }} {{ [3, 1] | sort | first }} {{ [1, 2] | last }}", "1, 2 1-2 1 2")]
    [InlineData("{{ missing | default('d') }} {{ '' | default('d') }} {{ '' | default('d', true) }} {{ none | d('x') }}", "d  d None")]
    [InlineData("{{ ['a', 'b'] | map('upper') | list }} {{ [{'a': {'b': 1}}] | map(attribute='a.b') | list }}", "['A', 'B'] [1]")]
    [InlineData("{{ [1, 2, 3] | select('odd') | list }} {{ [1, 2] | reject('equalto', 1) | list }} {{ [0, 1] | select | list }}", "[1, 3] [2] [1]")]
    [InlineData("{{ [{'r': 'u'}, {'r': 's'}] | selectattr('r', 'equalto', 's') | list | length }} {{ [{'r': 1}, {}] | rejectattr('r', 'defined') | list }}", "1 [{}]")]
    [InlineData("{{ '3' | int + 1 }} {{ 'x' | int(7) }} {{ 2.9 | int }} {{ '1.5' | float }} {{ -2 | abs }} {{ 2.567 | round(1) }}", "4 7 2 1.5 2 2.6")]
    [InlineData("{{ 'a-b-c' | replace('-', '+', 1) }} {{ 'ab' | reverse }} {{ [2, 1] | max }} {{ [1, 2] | sum }} {{ ['b', 'A', 'a'] | unique | list }}", "a+b-c ba 2 3 ['b', 'A']")]
    [InlineData("{{ {'b': 1, 'a': 2} | dictsort }} {{ {'a': 1} | items | list }} {{ 'x\\ny' | indent(2) }}", "[('a', 2), ('b', 1)] [('a', 1)] x\n  y")]
    [InlineData("{{ '<a>' | e }} {{ 'a' | safe }} {{ 5 | string ~ '' }} {{ ['a', 'b', 'c'] | batch(2) | list }}", "&lt;a&gt; a 5 [['a', 'b'], ['c']]")]
    [InlineData("{{ {'a': [1, 2.0, none, true, 'é\"<\\n'], 'b': {}} | tojson }}", "{\"a\": [1, 2.0, null, true, \"é\\\"<\\n\"], \"b\": {}}")]
    [InlineData("{{ {'b': [1], 'a': []} | tojson(indent=2, sort_keys=true) }}", "{\n  \"a\": [],\n  \"b\": [\n    1\n  ]\n}")]
    [InlineData("{{ ' a b '.strip() }}|{{ 'a,b,c'.split(',') }}|{{ ' a  b '.split() }}|{{ 'a</t>b'.split('</t>')[-1] }}|{{ 'a,b,c'.rsplit(',', 1) }}", "a b|['a', 'b', 'c']|['a', 'b']|b|['a,b', 'c']")]
    [InlineData("{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith(('x', 'c')) }} {{ 'aXb'.replace('X', '') }} {{ 'xxa'.lstrip('x') }} {{ 'abab'.count('ab') }} {{ 'ab'.find('b') }}", "True True ab a 2 1")]
    [InlineData("{{ {'a': 1}.get('a') }} {{ {'a': 1}.get('b') }} {{ {'a': 1}.get('b', 2) }} {{ {'a': 1}.keys() | list }} {{ '-'.join(['a', 'b']) }}", "1 None 2 ['a'] a-b")]
    [InlineData("{{ 1 is number }} {{ '' is string }} {{ {} is mapping }} {{ [] is iterable }} {{ none is none }} {{ 6 is divisibleby 3 }} {{ 1 is not string }} {{ 'a' is in ['a'] }} {{ true is boolean }} {{ [] is sequence }}",
        "True True True True True True True True True True")]
    public void Filters_methods_and_tests_are_the_documented_ones(string template, string expected) => Check(template, expected);

    [Fact]
    public void The_clock_is_the_callers()
    {
        var template = ChatTemplate.Parse("{{ strftime_now('%d %b %Y|%B %-d, %y|%A %H:%M:%S|%j|%%') }}").With(clock: new FixedClock());
        Assert.Equal("05 Feb 2024|February 5, 24|Monday 16:07:09|036|%", template.Render([], false));
    }

    [Theory]
    [InlineData("a\n{% if x %}", 2, "the template ends before {% endif %}")]
    [InlineData("{% endfor %}", 1, "{% endfor %} closes nothing")]
    [InlineData("\n\n{{ 1 + }}", 3, "a value was expected, found '}}'")]
    [InlineData("{{ 'abc }}", 1, "a string that begins with ' has no end")]
    [InlineData("{{ (1 }}", 1, "')' was expected, found '}'")]
    [InlineData("{{ 1", 1, "{{ has no }}")]
    [InlineData("{# x", 1, "a comment that begins with {# has no #}")]
    [InlineData("{% include 'x' %}", 1, "{% include %} is not supported")]
    [InlineData("{% break %}", 1, "{% break %} stands outside every loop")]
    [InlineData("{{ 99999999999999999999 }}", 1, "is beyond 64 bits")]
    [InlineData("x\n{{ missing.field }}", 2, "'missing' is undefined")]
    [InlineData("x\n\n{{ 'a' + 1 }}", 3, "'+' does not go with a string and an integer")]
    [InlineData("{{ raise_exception('No.\nNo') }}", 1, "the template refuses these messages: No.\nNo")]
    [InlineData("{{ 1 | magic }}", 1, "there is no filter 'magic'; known are trim")]
    [InlineData("{{ 1 is magic }}", 1, "there is no test 'magic'; known are defined")]
    [InlineData("{{ 1 // 0 }}", 1, "division by zero")]
    [InlineData("{{ 9223372036854775807 + 1 }}", 1, "an integer is beyond 64 bits")]
    [InlineData("{% set x = 1 %}{% set x.y = 2 %}", 1, "'x' is no namespace()")]
    [InlineData("{% macro m() %}{% endmacro %}{{ m(1) }}", 1, "the macro 'm' takes 0 arguments and is given 1")]
    [InlineData("{{ none | tojson(1, 2, 3).x }}", 1, "'}}' was expected, found '.'")]
    public void A_fault_is_named_with_its_line(string template, int line, string message)
    {
        var fault = Assert.Throws<BadInputException>(() => ChatTemplate.Parse(template, "a.jinja").Render([], false));
        Assert.StartsWith($"a.jinja: chat template, line {line}: ", fault.Message);
        Assert.Contains(message, fault.Message);
    }

    private static void Check(string template, string expected) => Assert.Equal(expected, ChatTemplate.Parse(template).Render([], false));

    private sealed class FixedClock : TimeProvider
    {
        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => new(2024, 2, 5, 16, 7, 9, TimeSpan.Zero);
    }
}
