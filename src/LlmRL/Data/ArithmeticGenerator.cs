using System.Globalization;
using System.Text;

namespace LlmRL.Data;

/// <summary>
/// Multi-step integer arithmetic with written-out working, short enough for a character-level transformer of a million parameters.
/// Prompt <c>Q: 17+8-6\nA:</c>, demonstration <c> 17+8=25\n25-6=19\n#### 19</c>: products are reduced first, then sums and differences from left to
/// right, one reduction a line.
/// </summary>
/// <remarks>
/// The hash of the expression decides its split (buckets 0–5 sft, 6–8 rl, 9 test). Row i is a pure function of (settings, split, i); rows of
/// the test split are distinct.
/// </remarks>
public sealed class ArithmeticGenerator : IExampleSource
{
    // A problem space in which fewer draws than one in 200,000 fit the limits is of no use.
    private const int MaxAttempts = 200_000;
    private static readonly ulong Stream = CounterRandom.Hash("arithmetic");

    private readonly ArithmeticSettings settings;
    private readonly DataSplit split;
    private readonly int[]? distinct;

    /// <summary>Creates the split.</summary>
    /// <param name="split">sft, rl or test.</param>
    /// <param name="count">How many problems.</param>
    /// <param name="settings">Difficulty; null for the defaults.</param>
    public ArithmeticGenerator(DataSplit split, int count, ArithmeticSettings? settings = null)
    {
        this.settings = settings ?? new ArithmeticSettings();
        this.settings.Check();
        if (split == DataSplit.Reward)
            throw new BadInputException("arithmetic: split 'reward' holds preference pairs, which arithmetic has none of. Use sft, rl or test.");
        if (count < 1)
            throw new BadInputException($"arithmetic: count is {count}. Ask for at least one problem.");
        this.split = split;
        Count = count;
        if (split == DataSplit.Test)
        {
            distinct = DistinctDraws.Collect(
                "arithmetic/test", count, draw => Draw(draw).Expression, "Lower count, or raise max_operand or max_steps.");
        }
        else
        {
            _ = Draw(0);
        }
    }

    /// <inheritdoc/>
    public int Count { get; }

    /// <inheritdoc/>
    public Example this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
            var problem = Draw(distinct is null ? index : distinct[index]);
            return new Example
            {
                Prompt = $"Q: {problem.Expression}\nA:",
                Completion = Demonstration(problem),
                Answer = problem.Steps[^1].Result.ToString(CultureInfo.InvariantCulture),
                Difficulty = problem.Steps.Count,
                Source = $"arithmetic/{split.Name()}/{index}",
            };
        }
    }

    private string Demonstration(Problem problem)
    {
        var text = new StringBuilder(" ");
        if (settings.Working)
        {
            foreach (var step in problem.Steps)
                text.Append(CultureInfo.InvariantCulture, $"{step.Left}{step.Operator}{step.Right}={step.Result}\n");
        }

        return text.Append(CultureInfo.InvariantCulture, $"#### {problem.Steps[^1].Result}").ToString();
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
            if (SplitOf(expression) == split && Reduce(operands, operators) is { } steps)
                return new Problem(expression, steps);
        }

        throw new BadInputException(
            $"arithmetic: no problem with results in [0, {settings.MaxValue}] was found in {MaxAttempts} draws. Raise max_value or lower max_operand.");
    }

    /// <summary>The split that an expression such as <c>17+8-6</c> belongs to.</summary>
    public static DataSplit SplitOf(string expression) => DataSplits.Bucket(expression) switch
    {
        < 6 => DataSplit.Sft,
        < 9 => DataSplit.Rl,
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

    private List<Step>? Reduce(List<int> operands, List<char> operators)
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
            steps.Add(new Step(operands[at], operators[at], operands[at + 1], (int)result));
            operands[at] = (int)result;
            operands.RemoveAt(at + 1);
            operators.RemoveAt(at);
        }

        return steps;
    }

    private readonly record struct Step(int Left, char Operator, int Right, int Result);

    private sealed record Problem(string Expression, List<Step> Steps);
}
