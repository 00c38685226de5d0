using System.Globalization;
using LlmRL.Data;

namespace LlmRL.Tests.Data;

public sealed class ArithmeticGeneratorTests
{
    [Fact]
    public void Splits_share_no_problem()
    {
        var owner = new Dictionary<string, DataSplit>();
        foreach (var (split, count) in new[] { (DataSplit.Sft, 60_000), (DataSplit.Rl, 20_000), (DataSplit.Reward, 10_000), (DataSplit.Test, 10_000) })
        {
            var source = new ArithmeticGenerator(split, count, new ArithmeticSettings { MinSteps = 1, DataSeed = (int)split });
            for (var i = 0; i < count; i++)
            {
                var prompt = source[i].Prompt;
                Assert.True(owner.TryAdd(prompt, split) || owner[prompt] == split, prompt);
            }
        }

        Assert.Equal(4, owner.Values.Distinct().Count());
    }

    [Theory]
    [InlineData("+-", 2, 3, 50)]
    [InlineData("+-*", 1, 5, 99)]
    [InlineData("*", 2, 2, 9)]
    public void Answers_and_every_working_line_are_right(string operators, int minSteps, int maxSteps, int maxOperand)
    {
        var settings = new ArithmeticSettings { Operators = operators, MinSteps = minSteps, MaxSteps = maxSteps, MaxOperand = maxOperand, MaxValue = 999 };
        var source = new ArithmeticGenerator(DataSplit.Rl, 3000, settings);
        for (var i = 0; i < source.Count; i++)
        {
            var example = source[i];
            var expression = example.Prompt["Q: ".Length..^"\nA:".Length];
            Assert.Equal(Evaluate(expression).ToString(CultureInfo.InvariantCulture), example.Answer);
            var lines = example.Completion!.Split('\n');
            Assert.Equal("#### " + example.Answer, lines[^1]);
            Assert.Equal(expression.Count(c => "+-*".Contains(c)), example.Difficulty);
            Assert.Equal(example.Difficulty, lines.Length - 1);
            Assert.InRange(example.Difficulty, minSteps, maxSteps);
            foreach (var line in lines[..^1])
            {
                var sides = line.Trim().Split('=');
                var value = int.Parse(sides[1], CultureInfo.InvariantCulture);
                Assert.Equal(Evaluate(sides[0]), value);
                Assert.InRange(value, 0, 999);
            }
        }
    }

    [Fact]
    public void Pairs_hold_a_right_and_a_wrong_solution_of_one_problem()
    {
        var source = new ArithmeticGenerator(DataSplit.Reward, 2000, new ArithmeticSettings { MaxOperand = 9, MaxValue = 99, SlipRate = 0.25 });
        for (var i = 0; i < source.Count; i++)
        {
            var example = source[i];
            Assert.Null(example.Completion);
            Assert.EndsWith("#### " + example.Answer, example.Chosen);
            Assert.NotEqual("#### " + example.Answer, example.Rejected!.Split('\n')[^1]);
            Assert.Equal(example.Chosen!.Split('\n').Length, example.Rejected.Split('\n').Length);
        }
    }

    [Fact]
    public void A_row_is_a_function_of_seed_split_and_index_alone()
    {
        var few = new ArithmeticGenerator(DataSplit.Test, 100);
        var many = new ArithmeticGenerator(DataSplit.Test, 1500);
        Assert.Equal(Enumerable.Range(0, 100).Select(i => few[i].Prompt), Enumerable.Range(0, 100).Select(i => many[i].Prompt));
        Assert.Equal(many[77].Completion, many[77].Completion);
        var other = new ArithmeticGenerator(DataSplit.Test, 100, new ArithmeticSettings { DataSeed = 1 });
        Assert.NotEqual(few[0].Prompt + few[1].Prompt, other[0].Prompt + other[1].Prompt);
    }

    [Fact]
    public void The_test_split_has_no_duplicates()
    {
        var source = new ArithmeticGenerator(DataSplit.Test, 5000);
        Assert.Equal(5000, Enumerable.Range(0, 5000).Select(i => source[i].Prompt).Distinct().Count());
    }

    [Fact]
    public void The_default_problems_are_short()
    {
        var source = new ArithmeticGenerator(DataSplit.Sft, 5000);
        Assert.All(Enumerable.Range(0, 5000), i =>
        {
            Assert.InRange(source[i].Prompt.Length, 1, 20);
            Assert.InRange(source[i].Completion!.Length, 1, 48);
        });
    }

    [Fact]
    public void Impossible_settings_are_refused_with_a_remedy()
    {
        var small = Assert.Throws<BadInputException>(
            () => new ArithmeticGenerator(DataSplit.Test, 1000, new ArithmeticSettings { MinSteps = 1, MaxSteps = 1, MaxOperand = 9 }));
        Assert.Contains("distinct", small.Message, StringComparison.Ordinal);
        Assert.Contains("max_operand", small.Message, StringComparison.Ordinal);
        Assert.Contains("max_value", Assert.Throws<BadInputException>(() => new ArithmeticGenerator(
            DataSplit.Sft, 1, new ArithmeticSettings { Operators = "*", MinSteps = 8, MaxSteps = 8, MaxValue = 1, MaxFactor = 999 })).Message, StringComparison.Ordinal);
        Assert.Contains("operators is '/'", Assert.Throws<BadInputException>(
            () => new ArithmeticGenerator(DataSplit.Sft, 1, new ArithmeticSettings { Operators = "/" })).Message, StringComparison.Ordinal);
        Assert.Contains("MaxSteps is 99", Assert.Throws<BadInputException>(
            () => new ArithmeticGenerator(DataSplit.Sft, 1, new ArithmeticSettings { MaxSteps = 99 })).Message, StringComparison.Ordinal);
        Assert.Throws<BadInputException>(() => Generators.Create("arithmetic", "dev", 1));
        Assert.Throws<BadInputException>(() => Generators.Create("geometry", "test", 1));
        Assert.Equal(7, Generators.Create("tldr", "train", 7).Count);
    }

    // Sums of signed products: independent of the generator, which reduces one operation at a time.
    private static long Evaluate(string expression) => expression.Replace("-", "+-", StringComparison.Ordinal).Split('+')
        .Sum(term => term.Split('*').Aggregate(1L, (product, factor) => product * long.Parse(factor, CultureInfo.InvariantCulture)));

    [Fact]
    public void Demonstrators_slip_as_often_as_asked_and_answers_stay_right()
    {
        var settings = new ArithmeticSettings { SlipRate = 0.25, MaxOperand = 9, MaxValue = 99 };
        var data = new ArithmeticGenerator(DataSplit.Sft, 4000, settings);
        var careful = new ArithmeticGenerator(DataSplit.Sft, 4000, settings with { SlipRate = 0 });
        var (lines, wrong) = (0, 0);
        for (var i = 0; i < data.Count; i++)
        {
            Assert.Equal(careful[i].Prompt, data[i].Prompt);
            Assert.Equal(careful[i].Answer, data[i].Answer);
            foreach (var line in data[i].Completion!.Trim().Split('\n').SkipLast(1))
            {
                var match = System.Text.RegularExpressions.Regex.Match(line, @"^(\d+)([+-])(\d+)=(\d+)$");
                var numbers = new[] { 1, 3, 4 }.Select(group => int.Parse(match.Groups[group].Value, System.Globalization.CultureInfo.InvariantCulture)).ToArray();
                lines++;
                wrong += numbers[2] == (match.Groups[2].Value == "+" ? numbers[0] + numbers[1] : numbers[0] - numbers[1]) ? 0 : 1;
            }
        }

        // A slip that would lead out of the limits is taken back, so the rate lies a little under the one asked for.
        Assert.InRange((double)wrong / lines, 0.20, 0.26);
    }
}
