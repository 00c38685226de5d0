using System.Diagnostics;
using LlmRL.Tokenization.Chat;

namespace LlmRL.Tests.Tokenization.Chat;

/// <summary>A template is data from outside: whatever it says, it ends soon, in bounded memory, with text or one clear error.</summary>
public class TemplateLimitTests
{
    private static readonly string[] Parts =
    [
        "{{", "}}", "{%", "%}", "{%-", "-%}", "{#", "#}", " for x in ", "messages", " if ", " else ", "endif", "endfor", " set y = ", "x", "y", "loop.index", "[0]", "[1:]", ".role",
        "|tojson", "|length", "|join", " + ", " ~ ", " * ", " ** ", " % ", "9", "'s'", "\"", "(", ")", "[", "]", "{", "}", ",", ":", " is defined", " is ", " not ", " in ",
        "namespace(a=1)", "range(3)", "macro m(a)", "endmacro", "m(1)", " and ", "none", "\n", "text", "raw", "endraw", ".strip()", ".split('a')", ".format(1)", "1.5", "-", "🦙",
    ];

    [Theory]
    [InlineData("{% for a in range(1000000000000) %}x{% endfor %}")]
    [InlineData("{% for a in range(9000) %}{% for b in range(9000) %}{% endfor %}{% endfor %}")]
    [InlineData("{% set s = namespace(v='xx') %}{% for a in range(100) %}{% set s.v = s.v ~ s.v %}{% endfor %}")]
    [InlineData("{% set s = namespace(v=[1]) %}{% for a in range(100) %}{% set s.v = s.v + s.v %}{% endfor %}")]
    [InlineData("{% set s = namespace(v=[1]) %}{% for a in range(100) %}{% set s.v = [s.v, s.v] %}{% endfor %}{{ s.v | tojson }}")]
    [InlineData("{% set s = namespace(v=[1]) %}{% for a in range(100) %}{% set s.v = [s.v, s.v] %}{% endfor %}{{ s.v }}")]
    [InlineData("{% set s = namespace(v=[1], w=[1]) %}{% for a in range(60) %}{% set s.v = [s.v, s.v] %}{% set s.w = [s.w, s.w] %}{% endfor %}{{ s.v == s.w }}")]
    [InlineData("{% set s = namespace(v=[1], w=[1]) %}{% for a in range(60) %}{% set s.v = [s.v, s.v] %}{% set s.w = [s.w, s.w] %}{% endfor %}{{ s.v < s.w }}")]
    [InlineData("{% set s = namespace(v=[]) %}{% for a in range(20000) %}{% set s.v = [s.v] %}{% endfor %}{{ s.v }}")]
    [InlineData("{{ 'x' * 9999999999 }}")]
    [InlineData("{{ [1] * 9999999999 }}")]
    [InlineData("{{ 'x'.rjust(2000000000) }}")]
    [InlineData("{{ ('a' * 4000000).replace('a', 'b' * 1000) }}")]
    [InlineData("{{ ('a' * 4000000).replace('', 'b' * 1000) }}")]
    [InlineData("{{ ('x' * 1000).join(range(100000) | map('string')) }}")]
    [InlineData("{{ range(100000) | join('x' * 1000) }}")]
    [InlineData("{{ ('a' * 3000000 + 'b') in ('a' * 5000000) }}")]
    [InlineData("{{ ['x'] * 4000000 | tojson(indent='y' * 1000) }}")]
    [InlineData("{{ ('a\n' * 1000000) | indent(1000) }}")]
    [InlineData("{{ 2 ** 9223372036854775807 }}")]
    [InlineData("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}")]
    [InlineData("{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}")]
    [InlineData("{{ [1][999999999999:-999999999999:-9223372036854775807] }}{{ range(1, 9223372036854775807, 9223372036854775807) | list }}{{ raise_exception('ends') }}")]
    public void A_template_that_never_ends_is_stopped(string template)
    {
        var parsed = ChatTemplate.Parse(template);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var clock = Stopwatch.StartNew();
        Assert.Throws<BadInputException>(() => parsed.Render([], false));
        // A tenth of a second on a quiet machine.
        Assert.InRange(clock.Elapsed.TotalSeconds, 0, 60);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1L << 29);
    }

    [Theory]
    [InlineData("(", "1", ")")]
    [InlineData("[", "1", "]")]
    [InlineData("not ", "1", "")]
    [InlineData("-", "1", "")]
    [InlineData("", "1", " + 1")]
    [InlineData("", "messages", ".a")]
    [InlineData("", "1", "|abs")]
    [InlineData("1 if 1 else ", "1", "")]
    [InlineData("{'a': ", "1", "}")]
    public void Deep_nesting_is_an_error_not_a_crash(string before, string middle, string after)
    {
        var template = "{{ " + string.Concat(Enumerable.Repeat(before, 20_000)) + middle + string.Concat(Enumerable.Repeat(after, 20_000)) + " }}";
        Assert.Contains("nested too deeply", Assert.Throws<BadInputException>(() => ChatTemplate.Parse(template).Render([], false)).Message);
    }

    [Fact]
    public void Deep_blocks_are_an_error_not_a_crash()
    {
        var template = string.Concat(Enumerable.Repeat("{% if 1 %}", 20_000)) + string.Concat(Enumerable.Repeat("{% endif %}", 20_000));
        Assert.Contains("nested too deeply", Assert.Throws<BadInputException>(() => ChatTemplate.Parse(template).Render([], false)).Message);
    }

    [Fact]
    public void A_long_conversation_is_no_endless_one()
    {
        var template = ChatTemplate.Parse("{% for m in messages %}{% set c = m.content | trim %}{{ '<|' + m.role + '|>' + c + eos_token }}{% endfor %}").With(new Dictionary<string, object?> { ["eos_token"] = "</s>" });
        var messages = Enumerable.Range(0, 2000).Select(i => new ChatMessage("user", new string('x', 10_000))).ToArray();
        Assert.Equal(2000 * (10_000 + "<|user|></s>".Length), template.Render(messages, false).Length);
    }

    [Fact]
    public void No_object_of_the_program_can_be_reached()
    {
        Assert.Throws<ArgumentException>(() => ChatTemplate.Parse("{{ x }}").Render([], false, new Dictionary<string, object?> { ["x"] = new FileInfo("x") }));
        foreach (var probe in new[] { "{{ ''.__class__ }}", "{{ ''.GetType() }}", "{{ messages.__init__ }}", "{{ raise_exception.Method }}", "{{ messages.Items }}", "{{ loop.Items }}" })
            Assert.Equal("[]", ChatTemplate.Parse("{% for x in [1] %}[" + probe.Replace("()", "") + "]{% endfor %}").Render([], false));
    }

    /// <summary>Random strings of template fragments parse and render, or fail with a message and a line.</summary>
    [Fact]
    public void Fragments_in_any_order_give_text_or_a_clear_error()
    {
        var random = new RandomStream(11);
        for (var i = 0; i < 20_000; i++)
            TryFragments(random);
    }

    private static void TryFragments(RandomStream random)
    {
        var source = string.Concat(Enumerable.Range(0, random.Next(1, 24)).Select(_ => random.Pick(Parts)));
        try
        {
            ChatTemplate.Parse(source).Render([new ChatMessage("user", "a b")], true);
        }
        catch (BadInputException fault)
        {
            Assert.Matches(@"^chat template, line \d+: .", fault.Message);
        }
    }
}
