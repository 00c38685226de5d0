using System.ComponentModel.DataAnnotations;
using LlmRL.Recipes.Binding;

namespace LlmRL.Tests.Recipes;

public enum SampleLoss
{
    Grpo,
    DrGrpo,

    [RecipeKey("bnpo")]
    BatchNormalised,
}

public sealed record SampleRecipe
{
    public required string Name { get; init; }

    [Range(0, ulong.MaxValue)]
    public ulong Seed { get; init; } = 1;

    public SampleModel? Model { get; init; }

    [MinLength(1)]
    public required IReadOnlyList<SampleStage> Stages { get; init; }
}

public sealed record SampleModel
{
    public string? Config { get; init; }

    public string? Path { get; init; }

    public IReadOnlyDictionary<string, double> Weights { get; init; } = new Dictionary<string, double>();
}

public abstract record SampleStage
{
    public string Name { get; init; } = "";

    [Range(1, int.MaxValue)]
    public int Steps { get; init; } = 100;
}

[Variant("sft")]
public sealed record SampleSft : SampleStage
{
    public required int BatchSize { get; init; }

    [Range(0, 1, MinimumIsExclusive = true)]
    public double LearningRate { get; init; } = 1e-3;
}

[Variant("grpo")]
public sealed record SampleGrpo : SampleStage, IValidated
{
    public int NumGenerations { get; init => field = value >= 2 ? value : throw new ArgumentOutOfRangeException(nameof(value), "a group needs at least two samples: set 2 or more"); } = 8;

    public int PromptsPerStep { get; init; } = 16;

    public int MinibatchSize { get; init; } = 16;

    public SampleLoss LossType { get; init; }

    public ISampleReward? Reward { get; init; }

    public ISampleReward[] Extras { get; init; } = [];

    [Range(1, 1024)]
    public int[] PassAtK { get; init; } = [1];

    public bool Whiten { get; init; }

    public IEnumerable<(string Key, string Problem)> Validate()
    {
        if (NumGenerations * PromptsPerStep % MinibatchSize != 0)
            yield return (nameof(MinibatchSize), $"{MinibatchSize} does not divide {NumGenerations * PromptsPerStep} samples. Choose a divisor");
    }
}

public interface ISampleReward;

[Variant("math")]
public sealed record SampleMath(double Tolerance = 1e-6, string? Format = null) : ISampleReward;

[Variant("length")]
public sealed record SampleLength([Range(1, 100)] int Target, float Scale = 0.5f) : ISampleReward;

public record SampleBase
{
    [Range(1, 10)]
    public virtual int Size { get; init; } = 1;

    public int Extra { get; init; }

    public int Doubled => Size * 2;
}

public sealed record SampleDerived : SampleBase
{
    [Range(5, 10)]
    public override int Size { get; init; } = 5;

    public IReadOnlyList<string?>? Words { get; init; }

    public double? Limit { get; init; }

    public List<int> Counts { get; init; } = [];

    public Dictionary<string, SampleModel> Models { get; init; } = [];
}
