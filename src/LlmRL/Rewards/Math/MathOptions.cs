using System.ComponentModel.DataAnnotations;

namespace LlmRL.Rewards;

/// <summary>Where an answer may stand in a solution.</summary>
public enum AnswerPlace
{
    /// <summary>In a box, after <c>####</c>, in <c>&lt;answer&gt;</c>, after "the answer is", or else the last formula or number.</summary>
    Any,

    /// <summary>In a box, after <c>####</c> or in <c>&lt;answer&gt;</c>.</summary>
    Marked,

    /// <summary>In <c>\boxed{}</c> or <c>\fbox{}</c>.</summary>
    Boxed,
}

/// <summary>What units mean: of length, mass, time, speed, angle, money ….</summary>
public enum UnitRule
{
    /// <summary>A unit may be left out, but another one is wrong: 5 cm is 5, not 5 m.</summary>
    Compatible,

    /// <summary>Units are dropped: 5 cm is 5 m.</summary>
    Ignore,

    /// <summary>The answer has the gold answer's unit, or none where that has none.</summary>
    Required,
}

/// <summary>What a percent sign means.</summary>
public enum PercentRule
{
    /// <summary>A unit that is dropped: 50% is 50.</summary>
    Number,

    /// <summary>A hundredth: 50% is 1/2.</summary>
    Fraction,

    /// <summary>Either of them.</summary>
    Either,
}

/// <summary>How strict <see cref="MathVerifier"/> is.</summary>
public sealed record MathOptions
{
    /// <summary>Where the answer may stand.</summary>
    public AnswerPlace Extraction { get; init; }

    /// <summary>What units mean.</summary>
    public UnitRule Units { get; init; }

    /// <summary>What a percent sign means.</summary>
    public PercentRule Percent { get; init; }

    /// <summary>Numbers whose difference is at most this part of the gold one are the same; 0 wants them exact.</summary>
    [Range(0.0, 0.1)]
    public double Tolerance { get; init; }

    /// <summary>The options as no recipe changes them.</summary>
    public static MathOptions Default { get; } = new();
}
