using System.Globalization;
using System.Text;

namespace LlmRL.Data;

/// <summary>
/// Multi-step integer arithmetic with written-out working, short enough for a character-level transformer of a million parameters.
/// Prompt <c>Q: 17+8-6\nA:</c>, demonstration <c> 17+8=25\n25-6=19\n#### 19</c>: products are reduced first, then sums and differences from left to
/// right, one reduction a line.
/// </summary>
/// <remarks>
/// The hash of the expression decides its split (buckets 0–5 sft, 6–7 rl, 8 reward, 9 test). Row i is a pure function of (settings, split, i); rows of
/// the test split are distinct.
/// </remarks>
public sealed class ArithmeticGenerator : IExampleSource
{
    // A problem space in which fewer draws than one in 200,000 fit the limits is of no use.
    private const int MaxAttempts = 200_000;
    private static readonly ulong Stream = CounterRandom.Hash("arithmetic"), Slips = CounterRandom.Hash("arithmetic slips"), Tags = CounterRandom.Hash("arithmetic tags");

    private readonly ArithmeticSettings settings;
    private readonly DataSplit split;
    private readonly SplitDraws draws;

    /// <summary>Creates the split.</summary>
    /// <param name="split">sft, rl, reward (pairs of a right and a wrong solution) or test.</param>
    /// <param name="count">How many problems.</param>
    /// <param name="settings">Difficulty; null for the defaults.</param>
    public ArithmeticGenerator(DataSplit split, int count, ArithmeticSettings? settings = null)
    {
        this.settings = settings ?? new ArithmeticSettings();
        this.settings.Check();
        this.split = split;
        draws = new SplitDraws("arithmetic", "problem", split, count, draw => Draw(draw).Expression, "Lower count, or raise max_operand or max_steps.");
        _ = Draw(0);
    }

    /// <inheritdoc/>
    public int Count => draws.Count;

    /// <inheritdoc/>
    public Example this[int index]
    {
        get
        {
            var draw = draws[index];
            var problem = Draw(draw);
            var isPair = split == DataSplit.Reward;
            var tags = CounterRandom.Uniform(CounterRandom.Key((ulong)settings.DataSeed, Tags), (ulong)split, (ulong)draw) < settings.TagRate;
            return new Example
            {
                Prompt = $"Q: {problem.Expression}\nA:",
                Completion = isPair ? null : Demonstration(DemonstratedSteps(problem, draw), tags),
                Chosen = isPair ? Demonstration(problem.Steps, tags) : null,
                Rejected = isPair ? Demonstration(WrongSteps(problem, draw), tags) : null,
                Answer = problem.Steps[^1].Result.ToString(CultureInfo.InvariantCulture),
                Difficulty = problem.Steps.Count,
                Source = $"arithmetic/{split.Name()}/{index}",
            };
        }
    }

    private string Demonstration(List<Step> steps, bool tags)
    {
        var working = settings.Working ? string.Join('\n', steps.Select(step => FormattableString.Invariant($"{step.Left}{step.Operator}{step.Right}={step.Result}"))) : "";
        var result = steps[^1].Result.ToString(CultureInfo.InvariantCulture);
        return tags ? $" <think>{working}</think><answer>{result}</answer>" : working.Length > 0 ? $" {working}\n#### {result}" : $" #### {result}";
    }

    /// <summary>The steps as the demonstrator writes them: each result is off with probability <see cref="ArithmeticSettings.SlipRate"/>, and the error carries on.</summary>
    private List<Step> DemonstratedSteps(Problem problem, int draw)
    {
        if (settings.SlipRate == 0)
            return problem.Steps;
        var random = new RandomStream(CounterRandom.Key((ulong)settings.DataSeed, Slips, (ulong)split, (ulong)draw));
        // A slip can lead out of the limits later on; the demonstrator then got it right.
        return Reduce([.. problem.Operands], [.. problem.Operators], result => random.NextBool(settings.SlipRate) ? DemonstrationSlip.Of(result, settings.MaxValue, random) : result) ?? problem.Steps;
    }

    /// <summary>A solution of the same problem with slips in it, and a wrong answer at the end.</summary>
    private List<Step> WrongSteps(Problem problem, int draw)
    {
        var random = new RandomStream(CounterRandom.Key((ulong)settings.DataSeed, Slips, (ulong)split, (ulong)draw));
        var rate = Math.Max(settings.SlipRate, 1.0 / problem.Steps.Count);
        for (var attempt = 0; attempt < MaxAttempts; attempt++)
        {
            var steps = Reduce([.. problem.Operands], [.. problem.Operators], result => random.NextBool(rate) ? DemonstrationSlip.Of(result, settings.MaxValue, random) : result);
            if (steps is not null && steps[^1].Result != problem.Steps[^1].Result)
                return steps;
        }

        throw new BadInputException($"arithmetic: no wrong solution of {problem.Expression} stays within [0, {settings.MaxValue}]. Raise max_value.");
    }

    private Problem Draw(int draw)
    {
        var random = new RandomStream(CounterRandom.Key((ulong)settings.DataSeed, Stream, (ulong)split, (ulong)draw));
        // Drawn once: long problems leave the limits more often and would otherwise be rarer.
        var count = random.Next(settings.MinSteps, settings.MaxSteps + 1);
        for (var attempt = 0; attempt < MaxAttempts; attempt++)
        {
            var operators = new List<char>(count);
            for (var i = 0; i < count; i++)
                operators.Add(settings.Operators[random.Next(0, settings.Operators.Length)]);
            var operands = new List<int>(count + 1);
            for (var i = 0; i <= count; i++)
            {
                var inProduct = (i > 0 && operators[i - 1] == '*') || (i < count && operators[i] == '*');
                operands.Add(random.Next(1, (inProduct ? settings.MaxFactor : settings.MaxOperand) + 1));
            }

            var expression = Expression(operands, operators);
            if (SplitOf(expression) == split && Reduce([.. operands], [.. operators], result => result) is { } steps)
                return new Problem(expression, steps, operands, operators);
        }

        throw new BadInputException(
            $"arithmetic: no problem with results in [0, {settings.MaxValue}] was found in {MaxAttempts} draws. Raise max_value or lower max_operand.");
    }

    /// <summary>The split that an expression such as <c>17+8-6</c> belongs to.</summary>
    public static DataSplit SplitOf(string expression) => DataSplits.Bucket(expression) switch
    {
        < 6 => DataSplit.Sft,
        < 8 => DataSplit.Rl,
        8 => DataSplit.Reward,
        _ => DataSplit.Test,
    };

    private static string Expression(List<int> operands, List<char> operators)
    {
        var text = new StringBuilder();
        for (var i = 0; i < operands.Count; i++)
        {
            if (i > 0)
                text.Append(operators[i - 1]);
            text.Append(CultureInfo.InvariantCulture, $"{operands[i]}");
        }

        return text.ToString();
    }

    private List<Step>? Reduce(List<int> operands, List<char> operators, Func<int, int> written)
    {
        var steps = new List<Step>(operators.Count);
        while (operators.Count > 0)
        {
            var at = Math.Max(0, operators.IndexOf('*'));
            long result = operators[at] switch
            {
                '+' => operands[at] + operands[at + 1],
                '-' => operands[at] - operands[at + 1],
                _ => (long)operands[at] * operands[at + 1],
            };
            if (result < 0 || result > settings.MaxValue)
                return null;
            var shown = written((int)result);
            steps.Add(new Step(operands[at], operators[at], operands[at + 1], shown));
            operands[at] = shown;
            operands.RemoveAt(at + 1);
            operators.RemoveAt(at);
        }

        return steps;
    }

    private readonly record struct Step(int Left, char Operator, int Right, int Result);

    private sealed record Problem(string Expression, List<Step> Steps, List<int> Operands, List<char> Operators);
}
