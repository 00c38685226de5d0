using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using LlmRL.Data;
using LlmRL.Rewards;
using Xunit.Abstractions;

namespace LlmRL.Tests.Rewards;

public sealed class MathVerifierTests(ITestOutputHelper output)
{
    [SharedFact("data/verifier/triples.jsonl")]
    public void Agrees_with_other_verifiers_suites()
    {
        var lines = File.ReadAllLines(Shared.Path("data/verifier/triples.jsonl"));
        var right = 0;
        for (var i = 0; i < lines.Length; i++)
        {
            var row = JsonNode.Parse(lines[i])!;
            var verdict = JsonNode.Parse(MathVerifier.VerifyLine(lines[i]))!;
            if ((bool)verdict["equal"]! == (bool)row["equal"]!)
                right++;
            else
                output.WriteLine($"{i}: want {row["equal"]} gold {row["gold"]} extracted {verdict["extracted"]}");
        }

        output.WriteLine($"{right} of {lines.Length}");
        Assert.True(right >= 0.97 * lines.Length, $"{right} of {lines.Length}");
    }

    [SharedFact("data/verifier/gsm8k_graded_solutions.jsonl")]
    public void Grades_solutions_as_their_publisher_did()
    {
        var wrong = new List<string>();
        foreach (var line in File.ReadLines(Shared.Path("data/verifier/gsm8k_graded_solutions.jsonl")))
        {
            var row = JsonNode.Parse(line)!;
            var (equal, extracted) = MathVerifier.Check((string?)row["gold"], (string?)row["answer"]);
            if (equal != (bool)row["correct"]!)
                wrong.Add($"{row["correct"]} {extracted} | {((string)row["gold"]!)[^20..]} | {row["answer"]}");
        }

        foreach (var line in wrong.Take(20))
            output.WriteLine(line);
        Assert.Empty(wrong);
    }

    [SharedFact("data/math/MATH500/test.jsonl")]
    public void Competition_solutions_reach_their_answers()
    {
        var source = ExampleFiles.Open(Shared.Path("data/math/MATH500/test.jsonl"));
        for (var i = 0; i < source.Count; i++)
        {
            Assert.True(MathVerifier.Verify(source[i].Answer, source[i].Completion), source[i].Answer);
            var other = source[(i + 1) % source.Count];
            if (other.Answer != source[i].Answer && !(source[i].Answer + other.Answer).Contains("x=", StringComparison.Ordinal))
                Assert.False(MathVerifier.Verify(other.Answer, source[i].Completion), $"{other.Answer} is not {source[i].Answer}");
        }
    }

    [Theory]
    [InlineData("so \\boxed{1} is wrong, and in the end \\boxed{\\frac{1}{\\sqrt{2}}}.", "\\frac{1}{\\sqrt{2}}")]
    [InlineData("\\boxed{5", "5")]
    [InlineData("\\boxed 5", "5")]
    [InlineData("x\n#### 1,234\n", "1,234")]
    [InlineData("2+2=4\n#### 4\nQ: 3", "4")]
    [InlineData("The answer is 12. I am sure of all 3 steps.", "12")]
    [InlineData("**Final answer:** $x=3$ cm", "x=3")]
    [InlineData("She pays $70,000.", "70,000")]
    [InlineData("from 3 to 7, that is 3-7", "7")]
    [InlineData("it falls to -7 degrees", "-7")]
    [InlineData("<think>\\boxed{1}</think>it is 2", "2")]
    [InlineData("<answer>2</answer> or 3", "2")]
    [InlineData("12", "12")]
    [InlineData("", null)]
    [InlineData(" \n", null)]
    public void The_last_answer_is_extracted(string text, string? expected) => Assert.Equal(expected, MathVerifier.Extract(text));

    [Theory]
    [InlineData("the answer is 5", null)]
    [InlineData("5", null)]
    [InlineData("#### 5", "5")]
    [InlineData("\\boxed{5}", "5")]
    public void Strict_extraction_wants_the_format(string text, string? expected) => Assert.Equal(expected, MathVerifier.Extract(text, AnswerPlace.Marked));

    [Theory]
    [InlineData("1/2", "\\frac{2}{4}")]
    [InlineData("3", "3.0 dollars")]
    [InlineData("1234", "$1,234.00")]
    [InlineData("12345678901234567890", "12,345,678,901,234,567,890")]
    [InlineData("-3", "−3")]
    [InlineData("3\\frac{1}{2}", "3 1/2")]
    [InlineData("2500", "2.5e3")]
    [InlineData("1500", "1.5 \\times 10^{3}")]
    [InlineData("1000000", "1 million")]
    [InlineData("120", "5!")]
    [InlineData("\\sqrt{8}", "2\\sqrt2")]
    [InlineData("2", "\\sqrt[3]{8}")]
    [InlineData("3", "\\log_2 8")]
    [InlineData("10", "\\binom{5}{2}")]
    [InlineData("x^2-1", "(x-1)(x+1)")]
    [InlineData("\\sin^2 x", "1-\\cos^2 x")]
    [InlineData("(3, \\frac{\\pi}{2})", "\\left(3,\\pi/2\\right)")]
    [InlineData("(-\\infty, 2) \\cup (3, \\infty)", "(3,\\infty)\\cup(-\\infty,2)")]
    [InlineData("[2,5]", "2 \\le x \\le 5")]
    [InlineData("x > 3", "(3,\\infty)")]
    [InlineData("\\{1,2,3\\}", "\\{3,1,2\\}")]
    [InlineData("1 \\pm \\sqrt{19}", "1 - \\sqrt{19}, 1+\\sqrt{19}")]
    [InlineData("y = 2x+3", "2x - y = -3")]
    [InlineData("\\text{Even}", "even.")]
    [InlineData("5 \\text{ cm}^2", "5")]
    [InlineData("50\\%", "50")]
    [InlineData("90^\\circ", "90 degrees")]
    [InlineData("(C)", "I think it is C")]
    [InlineData("0.1\\overline{6}", "1/6")]
    [InlineData("(2,-1)", "\\begin{pmatrix}2\\\\-1\\end{pmatrix}")]
    [InlineData("2x + 3y = 6", "6 = 2x+3y")]
    [InlineData("(-\\infty,-1]\\cup[3,\\infty)", "x \\le -1 \\text{ or } x \\ge 3")]
    [InlineData("\\sum_{i=1}^{n} i", "\\sum_{i=1}^n i")]
    [InlineData("\\frac{x}{7}+\\frac{2}{7}", "\\frac{x+2}{7}")]
    [InlineData("52_8", "52_{8}")]
    public void Equal_answers_are_recognised(string gold, string answer) => Assert.True(MathVerifier.Verify(gold, answer));

    [Theory]
    [InlineData("5", "5!")]
    [InlineData("10^{100}", "10^{100}+1")]
    [InlineData("3.14", "\\pi")]
    [InlineData("0", "0.0001")]
    [InlineData("100", "100.0001")]
    [InlineData("1/3", "0.3333333333")]
    [InlineData("[2,5)", "(2,5]")]
    [InlineData("(1,2)", "(2,1)")]
    [InlineData("\\{1,2\\}", "\\{1,1\\}")]
    [InlineData("x < 1", "x > 1")]
    [InlineData("x < 1", "x > -1")]
    [InlineData("x=1", "x=2")]
    [InlineData("(x+1)^2", "x^2+1")]
    [InlineData("C", "D")]
    [InlineData("1", "1, 2")]
    [InlineData("\\frac{1}{0}", "\\frac{2}{0}")]
    [InlineData("$1 - \\frac{1}{e}$", "$1 + \\frac{1}{e}$")]
    [InlineData("", "")]
    [InlineData(null, "1")]
    [InlineData("1", null)]
    public void Different_answers_are_told_apart(string? gold, string? answer) => Assert.False(MathVerifier.Verify(gold, answer));

    [Fact]
    public void A_line_is_judged_as_json()
    {
        Assert.Equal("""{"equal":true,"extracted":"2"}""", MathVerifier.VerifyLine("""{"gold": 2, "answer": "it is 2"}"""));
        Assert.Equal("""{"equal":true,"extracted":"0.5"}""", MathVerifier.VerifyLine("""{"gold": ["1", "1/2"], "pred": 0.5}"""));
        Assert.Equal("""{"equal":false,"extracted":""}""", MathVerifier.VerifyLine("""{"gold": null, "answer": null}"""));
        foreach (var line in (string[])["", "[1]", "{\"gold\":1}", "{"])
            Assert.Throws<BadInputException>(() => MathVerifier.VerifyLine(line));
    }

    [Fact]
    public void Random_fractions_compare_as_cross_products_do()
    {
        var random = new RandomStream(7);
        for (var i = 0; i < 3000; i++)
        {
            var (a, b, c, d) = (random.Next(-12, 13), random.Next(1, 13), random.Next(-12, 13), random.Next(1, 13));
            var gold = string.Create(CultureInfo.InvariantCulture, $"\\frac{{{a}}}{{{b}}}");
            var answer = string.Create(CultureInfo.InvariantCulture, $"{c}/{d}");
            Assert.Equal(a * d == b * c, MathVerifier.Verify(gold, answer));
        }
    }

    [Fact]
    public void Work_is_bounded_and_nothing_throws()
    {
        string[] pieces =
        [
            "\\boxed{", "}", "{", "(", ")", "[", "|", "\\frac", "\\sqrt", "^", "_", "9", "99999", "9^9^9^9", "!", "x", "$", "\\(", "\\)", "answer is", "####", ",", "\\pm",
            "\\begin{pmatrix}", "&", "\\\\", "\\end{pmatrix}", "\\text{", " ", "\n", "\\cup", "=", "<", "\\in", "1e9999", "sin", "\\{", "\ud800", "é", "<think>", "</think>", "%", "/", "0",
        ];
        var random = new RandomStream(11);
        var watch = Stopwatch.StartNew();
        for (var i = 0; i < 4000; i++)
        {
            var text = string.Concat(Enumerable.Range(0, random.Next(1, 30)).Select(_ => random.Pick(pieces)));
            var other = string.Concat(Enumerable.Range(0, random.Next(1, 30)).Select(_ => random.Pick(pieces)));
            _ = MathVerifier.Verify(text, other);
            Assert.True(MathVerifier.Equal(text, text) || string.IsNullOrWhiteSpace(text), text);
        }

        foreach (var piece in pieces)
            _ = MathVerifier.Verify("x^2+1", string.Concat(Enumerable.Repeat(piece, 50_000)));
        // Seconds on a busy machine; a catastrophic pattern or power would take hours.
        Assert.InRange(watch.Elapsed.TotalSeconds, 0, 30);
    }
}
