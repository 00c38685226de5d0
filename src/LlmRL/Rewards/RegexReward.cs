using System.Text.RegularExpressions;
using LlmRL.Data;
using LlmRL.Recipes.Binding;

namespace LlmRL.Rewards;

/// <summary>1 where a completion matches a pattern, else 0: a format reward. Matching is linear in the text's length (no backtracking).</summary>
[Variant("regex")]
public sealed record RegexReward : IReward
{
    private readonly Regex regex = new("", RegexOptions.NonBacktracking);

    /// <summary>
    /// A .NET regular expression without look-around or back-references, found anywhere unless anchored:
    /// <c>^&lt;think&gt;[\s\S]*&lt;/think&gt;\s*\S</c>. The caret and dollar sign mean the whole text's ends.
    /// </summary>
    public required string Pattern
    {
        get => field;
        init
        {
            try
            {
                regex = new Regex(value, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
            }
            catch (Exception error) when (error is ArgumentException or NotSupportedException)
            {
                throw new BadInputException(
                    $"regex: pattern '{value}' is no regular expression without look-around and back-references: {error.Message}", error);
            }

            field = value;
        }
    }

    /// <inheritdoc/>
    string IReward.Name => "regex";

    /// <inheritdoc/>
    public double Score(Example example, string completion) => regex.IsMatch(completion) ? 1 : 0;

    /// <summary>Two rewards are equal when their patterns are.</summary>
    public bool Equals(RegexReward? other) => other is not null && Pattern == other.Pattern;

    /// <inheritdoc/>
    public override int GetHashCode() => Pattern.GetHashCode(StringComparison.Ordinal);
}
