using System.Text.Json;
using System.Text.Json.Nodes;

namespace LlmRL.Rewards;

/// <summary>
/// Decides whether a solution's final answer equals the gold one: exact for rational numbers, by value for other expressions. Pure, never
/// throws, and its work is bounded for any text.
/// </summary>
/// <remarks>
/// Understood beside plain numbers: thousands separators, decimals, fractions, mixed numbers, scientific notation, percent, currency and units
/// (dropped), roots, π, powers, trigonometric functions and logarithms, symbols, intervals, sets, unordered lists, points, matrices, equations
/// (up to a factor), inequalities, and the letters of multiple choice.
/// </remarks>
public static class MathVerifier
{
    /// <summary>
    /// The final answer of a solution as it is written there: what follows <c>&lt;/think&gt;</c> counts; then the last <c>\boxed{}</c>, the last
    /// <c>#### x</c>, a text that is an answer as a whole, "the answer is x", the last formula or number. Null where there is none.
    /// </summary>
    /// <param name="text">The solution.</param>
    /// <param name="place">Where the answer may stand.</param>
    public static string? Extract(string? text, AnswerPlace place = AnswerPlace.Any)
    {
        if (string.IsNullOrWhiteSpace(text))
            return null;
        var answer = AnswerExtractor.Extract(text, place);
        return string.IsNullOrWhiteSpace(answer) ? null : answer.Trim();
    }

    /// <summary>Whether two answers, already extracted, are the same.</summary>
    public static bool Equal(string? gold, string? answer, MathOptions? options = null)
    {
        if (string.IsNullOrWhiteSpace(gold) || string.IsNullOrWhiteSpace(answer))
            return false;
        options ??= MathOptions.Default;
        var ((bareGold, goldUnit), (bareAnswer, answerUnit)) = (MathUnits.Split(gold), MathUnits.Split(answer));
        if (!MathUnits.Fit(goldUnit, answerUnit, options.Units))
            return false;
        if (string.Equals(MathText.Unwrap(gold), MathText.Unwrap(answer), StringComparison.Ordinal))
            return true;
        var comparer = new MathComparer(options);
        if (options.Percent != PercentRule.Number && (goldUnit == "percent" || answerUnit == "percent"))
            return Percents(comparer, (bareGold, goldUnit), (bareAnswer, answerUnit), options.Percent);
        var (whole, found) = (MathAnswer.Parse(gold), MathAnswer.Parse(answer));
        if (whole is null || found is null)
            return false;
        if (comparer.Equal(whole, found))
            return true;
        if ((goldUnit ?? answerUnit) is not null && MathAnswer.Parse(bareGold) is { } a && MathAnswer.Parse(bareAnswer) is { } b && comparer.Equal(a, b))
            return true;
        return MathText.OtherNotation(answer) is { } other && MathAnswer.Parse(other) is { } again && comparer.Equal(whole, again);
    }

    // x% is x/100; with Either, x too.
    private static bool Percents(MathComparer comparer, (string Text, string? Unit) gold, (string Text, string? Unit) answer, PercentRule rule)
    {
        if (MathAnswer.Parse(gold.Text) is not { } a || MathAnswer.Parse(answer.Text) is not { } b)
            return false;
        if (gold.Unit == answer.Unit)
            return comparer.Equal(a, b);
        var (x, y) = (gold.Unit == "percent" ? Hundredth(a) : a, answer.Unit == "percent" ? Hundredth(b) : b);
        return comparer.Equal(x, y) || (rule == PercentRule.Either && comparer.Equal(a, b));
    }

    private static MathAnswer Hundredth(MathAnswer answer) =>
        answer is NodeAnswer node ? new NodeAnswer(new OperationNode('/', node.Node, new NumberNode(100))) : answer;

    /// <summary>Whether a solution's final answer is the gold one; the gold answer may be a worked solution itself.</summary>
    /// <param name="gold">The gold answer or solution.</param>
    /// <param name="solution">The text to judge.</param>
    /// <param name="options">How strict to be.</param>
    public static bool Verify(string? gold, string? solution, MathOptions? options = null) => Check(gold, solution, options).Equal;

    /// <summary>
    /// Judges one JSON object with <c>gold</c> and <c>answer</c> (or <c>pred</c>), strings or numbers, and gives
    /// <c>{"equal":true|false,"extracted":"…"}</c>; a list of gold answers is met by any of them. With <c>"opts": {"match_types": ["latex"]}</c>, as Math-Verify's cases have it, numbers in
    /// plain text are no answers.
    /// </summary>
    /// <exception cref="BadInputException">The line is no such object.</exception>
    public static string VerifyLine(string line, MathOptions? options = null)
    {
        JsonNode? node;
        try
        {
            node = JsonNode.Parse(line);
        }
        catch (JsonException error)
        {
            throw new BadInputException($"verify: not a JSON object: {error.Message} Write one object a line, with the keys gold and answer.", error);
        }

        if (node is not JsonObject row || !row.ContainsKey("gold") || !(row.ContainsKey("answer") || row.ContainsKey("pred")))
            throw new BadInputException("verify: a line needs the keys gold and answer (or pred).");
        var answer = Text(row.ContainsKey("answer") ? row["answer"] : row["pred"]);
        var golds = row["gold"] is JsonArray list ? list.Select(Text).ToArray() : [Text(row["gold"])];
        var formulasOnly = row["opts"] is JsonObject opts && opts["match_types"] is JsonArray { Count: 1 } types && Text(types[0]) == "latex";
        var (equal, extracted) = (false, (string?)null);
        foreach (var gold in golds)
        {
            (equal, extracted) = Check(gold, answer, options, formulasOnly);
            if (equal)
                break;
        }

        return new JsonObject { ["equal"] = equal, ["extracted"] = extracted ?? "" }.ToJsonString();
    }

    /// <summary>The verdict and the answer it was passed on.</summary>
    public static (bool Equal, string? Extracted) Check(string? gold, string? solution, MathOptions? options = null) =>
        Check(gold, solution, options, formulasOnly: false);

    private static (bool Equal, string? Extracted) Check(string? gold, string? solution, MathOptions? options, bool formulasOnly)
    {
        if (string.IsNullOrWhiteSpace(gold) || string.IsNullOrWhiteSpace(solution))
            return (false, null);
        var place = options?.Extraction ?? AnswerPlace.Any;
        if (AnswerExtractor.GoldChoice(gold) is { } letter)
        {
            var choice = place != AnswerPlace.Any && Extract(solution, place) is null ? null : AnswerExtractor.Choice(solution);
            return (choice == letter, choice?.ToString());
        }

        var extracted = AnswerExtractor.Extract(solution, place, formulasOnly);
        return (Equal(Extract(gold) ?? gold, extracted, options), extracted);
    }

    private static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue<string>(out var text) ? text : node?.ToJsonString();
}
