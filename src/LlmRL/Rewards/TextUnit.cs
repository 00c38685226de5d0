using LlmRL.Rollouts;

namespace LlmRL.Rewards;

/// <summary>What the length of a text is counted in.</summary>
public enum TextUnit
{
    /// <summary>Words: runs of letters, digits and apostrophes.</summary>
    Words,

    /// <summary>Characters: UTF-16 code units.</summary>
    Characters,

    /// <summary>The model's tokens, the stop token included. Where a bare text is scored (a judge's reference completion), its words stand in for them.</summary>
    Tokens,
}

/// <summary>Lengths by unit.</summary>
internal static class TextLength
{
    public static int Of(string text, TextUnit unit) => unit == TextUnit.Characters ? text.Length : KeywordReward.SplitWords(text).Count;

    public static int Of(Trajectory trajectory, TextUnit unit) => unit == TextUnit.Tokens ? trajectory.Length : Of(trajectory.Text, unit);
}
