using System.Globalization;

namespace LlmRL.Data;

/// <summary>
/// Word problems of several steps with written-out working, small enough for a transformer of half a million parameters. Prompt
/// <c>Ann has 5 plums. On Friday she buys 3. Ann sells 2 plums on Saturday. How many plums are there in the end?\nA:</c>, demonstration
/// <c> Friday 5+3=8. Saturday 8-2=6. #### 6</c>.
/// </summary>
/// <remarks>
/// Splits share neither numbers nor, for the test split, sentences: <see cref="ArithmeticGenerator.SplitOf"/> of the expression (<c>5+3-2</c>) decides, and the test
/// split is written in templates of its own (<see cref="WordProblemTemplates"/>). Row i is a pure function of (settings, split, i); rows of the test split are
/// distinct.
/// </remarks>
public sealed class WordProblemGenerator : IExampleSource
{
    private const int MaxAttempts = 200_000;
    private static readonly ulong Stream = CounterRandom.Hash("word problems"), Slips = CounterRandom.Hash("word problem slips");

    private readonly WordProblemSettings settings;
    private readonly DataSplit split;
    private readonly IReadOnlyList<WordProblemTemplate> openings, events, restDays, questions;
    private readonly SplitDraws draws;

    /// <summary>Creates the split.</summary>
    /// <param name="split">sft, rl, reward (pairs of a right and a wrong solution) or test.</param>
    /// <param name="count">How many problems.</param>
    /// <param name="settings">Difficulty; null for the defaults.</param>
    public WordProblemGenerator(DataSplit split, int count, WordProblemSettings? settings = null)
    {
        this.settings = settings ?? new WordProblemSettings();
        this.settings.Check();
        this.split = split;
        openings = WordProblemTemplates.Of(WordProblemTemplates.Openings, split);
        events = WordProblemTemplates.Of(WordProblemTemplates.Events, split);
        restDays = WordProblemTemplates.Of(WordProblemTemplates.RestDays, split);
        questions = WordProblemTemplates.Of(WordProblemTemplates.Questions, split);
        draws = new SplitDraws("word_problems", "problem", split, count, Prompt, "Lower count, or raise max_operand or steps.");
        _ = Draw(0, out _);
    }

    /// <inheritdoc/>
    public int Count => draws.Count;

    /// <inheritdoc/>
    public Example this[int index]
    {
        get
        {
            var draw = draws[index];
            var problem = Draw(draw, out var random);
            var (solution, answer) = problem.Solve(settings.MaxValue, result => result)!.Value;
            var isPair = split == DataSplit.Reward;
            return new Example
            {
                Prompt = Write(problem, random),
                Completion = isPair ? null : Demonstration(problem, draw) ?? solution,
                Chosen = isPair ? solution : null,
                Rejected = isPair ? Wrong(problem, answer, draw) : null,
                Answer = answer.ToString(CultureInfo.InvariantCulture),
                Difficulty = problem.Events.Sum(happening => happening.Operations),
                Source = $"word_problems/{split.Name()}/{index}",
            };
        }
    }

    /// <summary>The solution as the demonstrator writes it; null where a slip leads out of the limits later on, and the demonstrator got it right.</summary>
    private string? Demonstration(WordProblem problem, int draw)
    {
        var random = SlipStream(draw);
        return settings.SlipRate == 0 ? null : problem.Solve(settings.MaxValue, result => Slip(result, settings.SlipRate, random))?.Text;
    }

    /// <summary>A solution of the same problem with slips in it, and a wrong answer at the end.</summary>
    private string Wrong(WordProblem problem, int answer, int draw)
    {
        var random = SlipStream(draw);
        var rate = Math.Max(settings.SlipRate, 1.0 / problem.Events.Sum(happening => happening.Operations));
        for (var attempt = 0; attempt < MaxAttempts; attempt++)
        {
            if (problem.Solve(settings.MaxValue, result => Slip(result, rate, random)) is { } solved && solved.Answer != answer)
                return solved.Text;
        }

        throw new BadInputException($"word_problems: no wrong solution of {problem.Expression} stays within [0, {settings.MaxValue}]. Raise max_value.");
    }

    private int Slip(int result, double rate, RandomStream random) => random.NextBool(rate) ? DemonstrationSlip.Of(result, settings.MaxValue, random) : result;

    private RandomStream SlipStream(int draw) => new(CounterRandom.Key((ulong)settings.DataSeed, Slips, (ulong)split, (ulong)draw));

    private string Prompt(int draw) => Write(Draw(draw, out var random), random);

    private WordProblem Draw(int draw, out RandomStream random)
    {
        random = new RandomStream(CounterRandom.Key((ulong)settings.DataSeed, Stream, (ulong)split, (ulong)draw));
        // Drawn once: long problems leave the limits more often and would otherwise be rarer.
        var steps = random.Next(settings.Steps[0], settings.Steps[1] + 1);
        for (var attempt = 0; attempt < MaxAttempts; attempt++)
        {
            var problem = Numbers(steps, random);
            if (ArithmeticGenerator.SplitOf(problem.Expression) == split && problem.Solve(settings.MaxValue, result => result) is not null)
                return problem;
        }

        throw new BadInputException(
            $"word_problems: no problem with results in [0, {settings.MaxValue}] was found in {MaxAttempts} draws. Raise max_value or lower max_operand.");
    }

    private WordProblem Numbers(int steps, RandomStream random)
    {
        var happenings = new List<WordProblemEvent>(steps);
        for (var left = steps; left > 0;)
        {
            var (verb, symbol) = random.Pick(WordProblemTemplates.Actions);
            var hasBoxes = left >= 2 && random.NextBool(settings.BoxRate);
            var boxes = hasBoxes ? random.Next(2, settings.MaxFactor + 1) : 0;
            happenings.Add(new WordProblemEvent(verb, symbol, boxes, hasBoxes ? random.Next(2, settings.MaxFactor + 1) : random.Next(2, settings.MaxOperand + 1)));
            left -= hasBoxes ? 2 : 1;
        }

        var rests = random.Next(0, Math.Min(settings.MaxRestDays, WordProblemTemplates.Days.Count - happenings.Count) + 1);
        for (var i = 0; i < rests; i++)
            happenings.Insert(random.Next(0, happenings.Count + 1), new WordProblemEvent(random.Pick(WordProblemTemplates.Rests), ' ', 0, 0));
        return new WordProblem(random.Next(2, settings.MaxOperand + 1), random.Next(0, WordProblemTemplates.Days.Count), happenings);
    }

    private string Write(WordProblem problem, RandomStream random)
    {
        var (name, pronoun) = random.Pick(WordProblemTemplates.People);
        var things = random.Pick(WordProblemTemplates.Things);
        var sentences = new List<string> { Fill(random.Pick(openings), amount: Shown(problem.Start)) };
        for (var i = 0; i < problem.Events.Count; i++)
        {
            var happening = problem.Events[i];
            var amount = happening.Boxes > 0 ? $"{Shown(happening.Boxes)} boxes of {Shown(happening.Amount)}" : Shown(happening.Amount);
            sentences.Add(Fill(random.Pick(happening.Operations > 0 ? events : restDays), amount, random.NextBool() ? name : pronoun, happening.Verb, problem.Day(i)));
        }

        sentences.Add(Fill(random.Pick(questions), ""));
        return string.Join(' ', sentences) + "\nA:";

        string Fill(WordProblemTemplate template, string amount, string who = "", string verb = "", string day = "")
        {
            var text = template.Text.Replace("{name}", name, StringComparison.Ordinal).Replace("{things}", things, StringComparison.Ordinal)
                .Replace("{amount}", amount, StringComparison.Ordinal).Replace("{who}", who, StringComparison.Ordinal)
                .Replace("{verb}", verb, StringComparison.Ordinal).Replace("{day}", day, StringComparison.Ordinal);
            return char.ToUpperInvariant(text[0]) + text[1..];
        }
    }

    private static string Shown(int number) => number.ToString(CultureInfo.InvariantCulture);
}
