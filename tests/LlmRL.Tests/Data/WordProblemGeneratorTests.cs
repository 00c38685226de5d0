using System.Globalization;
using System.Text.RegularExpressions;
using LlmRL.Data;
using LlmRL.Rewards;

namespace LlmRL.Tests.Data;

public sealed partial class WordProblemGeneratorTests
{
    private static readonly string[] Names = ["Ann", "Ben", "Cora", "Dan", "Eva", "Finn", "Gina", "Hugo"];
    private static readonly string[] More = ["buys", "finds", "gets", "wins", "borrows", "collects"], Fewer = ["sells", "loses", "eats", "drops", "lends", "spoils"], Rests = ["rests", "sleeps", "reads", "sings"];
    private static readonly string[] Things = ["apples", "pears", "plums", "cakes", "eggs", "nuts"];
    private static readonly string[] Days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

    [Theory]
    [InlineData("sft")]
    [InlineData("rl")]
    [InlineData("test")]
    public void Solutions_agree_with_what_the_text_says(string split)
    {
        var settings = new WordProblemSettings { Steps = [1, 6], BoxRate = 0.3, MaxValue = 60 };
        var source = Generators.Create("word_problems", split, 2000, settings);
        var levels = new HashSet<int>();
        for (var i = 0; i < source.Count; i++)
        {
            var example = source[i];
            var (answer, operations) = Read(example.Prompt);
            Assert.Equal(answer.ToString(CultureInfo.InvariantCulture), example.Answer);
            Assert.Equal(operations, example.Difficulty);
            Assert.True(MathVerifier.Verify(example.Answer, example.Completion, new MathOptions { Extraction = AnswerPlace.Marked }), example.Completion);
            var lines = Operation().Matches(example.Completion!);
            Assert.Equal(operations, lines.Count);
            Assert.All(lines, line => Assert.True(IsRight(line), line.Value));
            Assert.All(lines, line => Assert.InRange(Number(line, 4), 0, 60));
            Assert.Equal(Days.Sum(day => Regex.Matches(example.Prompt, day).Count), Days.Sum(day => Regex.Matches(example.Completion!, day).Count));
            levels.Add(example.Difficulty);
        }

        Assert.Equal(Enumerable.Range(1, 6), levels.Order());
    }

    [Fact]
    public void Splits_share_no_numbers()
    {
        var owner = new Dictionary<string, string>();
        foreach (var split in new[] { "sft", "rl", "reward", "test" })
        {
            var source = Generators.Create("word_problems", split, 3000, new WordProblemSettings { Steps = [1, 3], DataSeed = split.Length });
            for (var i = 0; i < source.Count; i++)
                Assert.Equal(split, owner.TryAdd(Numbers(source[i].Prompt), split) ? split : owner[Numbers(source[i].Prompt)]);
        }

        Assert.Equal(4, owner.Values.Distinct().Count());
    }

    [Fact]
    public void No_sentence_of_the_test_split_is_seen_in_training_but_every_word_is()
    {
        var trained = new[] { "sft", "rl", "reward" }.SelectMany(split => Prompts(split, 4000)).ToList();
        var test = Prompts("test", 4000).ToList();
        var sentences = trained.SelectMany(Sentences).ToHashSet();

        Assert.Equal(2 + 5 + 2 + 2, test.SelectMany(Sentences).Distinct().Count());
        Assert.Equal(5 + 9 + 4 + 3, sentences.Count);
        Assert.DoesNotContain(test.SelectMany(Sentences), sentences.Contains);
        Assert.Subset(trained.SelectMany(Words).ToHashSet(), test.SelectMany(Words).ToHashSet());
    }

    [Fact]
    public void A_row_is_a_function_of_seed_split_and_index_alone()
    {
        var (few, many) = (Generators.Create("word_problems", "test", 100), Generators.Create("word_problems", "test", 1500));
        Assert.Equal(Enumerable.Range(0, 100).Select(i => few[i]).Select(row => (row.Prompt, row.Completion)),
            Enumerable.Range(0, 100).Select(i => many[i]).Select(row => (row.Prompt, row.Completion)));
        Assert.Equal(1500, Enumerable.Range(0, 1500).Select(i => many[i].Prompt).Distinct().Count());
        Assert.NotEqual(few[0].Prompt, Generators.Create("word_problems", "test", 100, new WordProblemSettings { DataSeed = 1 })[0].Prompt);
        Assert.StartsWith("At first there are 8 nuts in the basket of Gina. Tuesday comes and she spoils 2. Then Gina sings on Wednesday. ", few[0].Prompt, StringComparison.Ordinal);
    }

    [Fact]
    public void Demonstrators_slip_as_often_as_asked_and_answers_stay_right()
    {
        var settings = new WordProblemSettings { SlipRate = 0.25 };
        var source = Generators.Create("word_problems", "train", 4000, settings);
        var careful = Generators.Create("word_problems", "train", 4000, settings with { SlipRate = 0 });
        var lines = new List<Match>();
        for (var i = 0; i < source.Count; i++)
        {
            Assert.Equal((careful[i].Prompt, careful[i].Answer), (source[i].Prompt, source[i].Answer));
            lines.AddRange(Operation().Matches(source[i].Completion!));
        }

        // A slip that would lead out of the limits is taken back, so the rate lies a little under the one asked for.
        Assert.InRange(lines.Count(line => !IsRight(line)) / (double)lines.Count, 0.20, 0.26);
    }

    [Fact]
    public void Pairs_hold_a_right_and_a_wrong_solution_of_one_problem()
    {
        var source = Generators.Create("word_problems", "reward", 1000, new WordProblemSettings { SlipRate = 0.2 });
        for (var i = 0; i < source.Count; i++)
        {
            Assert.Null(source[i].Completion);
            Assert.True(MathVerifier.Verify(source[i].Answer, source[i].Chosen));
            Assert.False(MathVerifier.Verify(source[i].Answer, source[i].Rejected));
        }
    }

    [Theory]
    [InlineData(3, 2)]
    [InlineData(0, 2)]
    [InlineData(2, 8)]
    public void Impossible_numbers_of_steps_are_refused_with_a_remedy(int fewest, int most)
    {
        var fault = Assert.Throws<BadInputException>(() => Generators.Create("word_problems", "rl", 10, new WordProblemSettings { Steps = [fewest, most] }));
        Assert.Contains($"steps is [{fewest}, {most}]", fault.Message, StringComparison.Ordinal);
        Assert.Contains("steps: [2, 3]", fault.Message, StringComparison.Ordinal);
    }

    /// <summary>The answer and the number of operations, read off the sentences: independent of the generator.</summary>
    private static (int Answer, int Operations) Read(string prompt)
    {
        var (value, operations) = (0, 0);
        foreach (var sentence in Split(prompt))
        {
            var amounts = Regex.Matches(sentence, @"\d+").Select(match => int.Parse(match.Value, CultureInfo.InvariantCulture)).ToArray();
            var sign = sentence.Split(' ').Sum(word => More.Contains(word) ? 1 : Fewer.Contains(word) ? -1 : 0);
            if (amounts.Length == 0)
                continue;
            if (sign != 0)
                operations += amounts.Length;
            value += (sign == 0 ? 1 : sign) * amounts.Aggregate(1, (a, b) => a * b);
        }

        return (value, operations);
    }

    private static string Numbers(string prompt) => string.Concat(Split(prompt).Select(sentence =>
        (More.Any(sentence.Contains) ? "+" : Fewer.Any(sentence.Contains) ? "-" : "") + string.Join('*', Regex.Matches(sentence, @"\d+"))));

    private static string[] Split(string prompt) => Regex.Split(prompt[..^"\nA:".Length], @"(?<=[.?]) ");

    /// <summary>Sentences without numbers, names and what else varies within a template.</summary>
    private static IEnumerable<string> Sentences(string prompt) => Split(prompt).Select(sentence => Regex.Replace(sentence, @"\w+", match =>
        Names.Contains(match.Value) || match.Value is "she" or "he" or "She" or "He" ? "WHO" : Things.Contains(match.Value) ? "THINGS"
        : Days.Contains(match.Value) ? "DAY" : More.Contains(match.Value) || Fewer.Contains(match.Value) || Rests.Contains(match.Value) ? "DOES"
        : char.IsDigit(match.Value[0]) ? "N" : match.Value));

    // As the tokenizer of words sees them: with the space before.
    private static IEnumerable<string> Words(string prompt) => Regex.Matches(prompt, " ?[A-Za-z]+|.").Select(match => match.Value);

    private static IEnumerable<string> Prompts(string split, int count)
    {
        var source = Generators.Create("word_problems", split, count);
        return Enumerable.Range(0, count).Select(i => source[i].Prompt);
    }

    private static int Number(Match line, int group) => int.Parse(line.Groups[group].Value, CultureInfo.InvariantCulture);

    private static bool IsRight(Match line)
    {
        var (a, b) = (Number(line, 1), Number(line, 3));
        return Number(line, 4) == (line.Groups[2].Value switch { "+" => a + b, "-" => a - b, _ => a * b });
    }

    [GeneratedRegex(@"(\d+)([+*-])(\d+)=(\d+)\.")]
    private static partial Regex Operation();
}
