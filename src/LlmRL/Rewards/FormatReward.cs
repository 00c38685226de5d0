using System.ComponentModel.DataAnnotations;
using LlmRL.Data;
using LlmRL.Recipes.Binding;

namespace LlmRL.Rewards;

/// <summary>
/// 1 where the completion has the wanted tag structure, else 0: each tag opens once and closes once, in the given order, one block after the other, as in
/// <c>&lt;think&gt;…&lt;/think&gt;&lt;answer&gt;…&lt;/answer&gt;</c>. An opening tag at the end of the prompt, where some chat templates put it, counts as the completion's.
/// </summary>
/// <remarks>
/// The format reward of DeepSeek-R1 (arXiv 2501.12948, section 2.2.2). With <see cref="Partial"/> the score is the share of conditions that hold, as in Open R1's
/// count of tags: one condition for each of the 2K opening and closing tags (it occurs just once, and behind the tags that stand before it in the structure and
/// hold), one for <see cref="Strict"/> where that is asked for.
/// </remarks>
[Variant("format")]
public sealed record FormatReward : IReward, IValidated
{
    /// <summary>The tags' names, without brackets, in order.</summary>
    [MinLength(1)]
    public IReadOnlyList<string> Tags { get; init; } = ["think", "answer"];

    /// <summary>Whether nothing but white space may stand before, between and behind the blocks.</summary>
    public bool Strict { get; init; }

    /// <summary>Whether a block without any text but white space counts as not closed.</summary>
    public bool NonEmpty { get; init; }

    /// <summary>Whether a part of the structure is worth a part of the score.</summary>
    public bool Partial { get; init; }

    /// <inheritdoc/>
    string IReward.Name => "format";

    /// <inheritdoc/>
    public double Score(Example example, string completion)
    {
        var opening = $"<{Tags[0]}>";
        var text = example.Prompt.AsSpan().TrimEnd().EndsWith(opening, StringComparison.Ordinal) ? opening + completion : completion;
        var (held, conditions) = (0, 2 * Tags.Count + (Strict ? 1 : 0));
        var (end, outside) = (0, true);
        foreach (var tag in Tags)
        {
            var block = Marker(text, $"<{tag}>", end);
            if (block is { } open)
            {
                held++;
                outside &= IsBlank(text, end, open.Start);
                end = open.End;
            }

            if (Marker(text, $"</{tag}>", end) is { } close && !(NonEmpty && block is not null && IsBlank(text, end, close.Start)))
            {
                held++;
                end = close.End;
            }
        }

        if (Strict && held == 2 * Tags.Count && outside && IsBlank(text, end, text.Length))
            held++;
        return Partial ? (double)held / conditions : held == conditions ? 1 : 0;
    }

    /// <inheritdoc/>
    public IEnumerable<(string Key, string Problem)> Validate()
    {
        if (Tags.FirstOrDefault(tag => tag.Length == 0 || tag.Any(c => char.IsWhiteSpace(c) || c is '<' or '>' or '/')) is { } odd)
            yield return (nameof(Tags), $"\"{odd}\" is no tag's name; write it without brackets, like think");
        if (Tags.Count != Tags.Distinct(StringComparer.Ordinal).Count())
            yield return (nameof(Tags), $"[{string.Join(", ", Tags)}] names a tag twice, but each opens and closes once; take the second one out");
    }

    /// <summary>Where a marker stands that occurs just once in the text, and not before <paramref name="from"/>.</summary>
    private static (int Start, int End)? Marker(string text, string marker, int from)
    {
        var first = text.IndexOf(marker, StringComparison.Ordinal);
        return first >= from && first == text.LastIndexOf(marker, StringComparison.Ordinal) ? (first, first + marker.Length) : null;
    }

    private static bool IsBlank(string text, int start, int end) => text.AsSpan(start, end - start).IsWhiteSpace();
}
