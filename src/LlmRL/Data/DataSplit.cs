namespace LlmRL.Data;

/// <summary>Which part of a generated data set: no problem and no post is in two of them.</summary>
public enum DataSplit
{
    /// <summary>Demonstrations for supervised fine-tuning.</summary>
    Sft,

    /// <summary>Preference pairs for the reward model.</summary>
    Reward,

    /// <summary>Prompts for reinforcement learning.</summary>
    Rl,

    /// <summary>Held out for evaluation; free of duplicates.</summary>
    Test,
}

/// <summary>Assigns problems to splits by a hash of their content, so that the splits are disjoint whatever the seed, the count and the order.</summary>
public static class DataSplits
{
    /// <summary>Number of hash buckets that the splits share.</summary>
    public const int Buckets = 10;

    /// <summary>Reads a split's name: <c>sft</c> (or <c>train</c>), <c>reward</c>, <c>rl</c>, <c>test</c>.</summary>
    public static DataSplit Parse(string name) => name switch
    {
        "sft" or "train" => DataSplit.Sft,
        "reward" => DataSplit.Reward,
        "rl" => DataSplit.Rl,
        "test" => DataSplit.Test,
        _ => throw new BadInputException($"split: '{name}' is not a split of a generated data set. Use sft (or train), reward, rl or test."),
    };

    /// <summary>The name that <see cref="Parse"/> reads.</summary>
    public static string Name(this DataSplit split) => split switch
    {
        DataSplit.Sft => "sft",
        DataSplit.Reward => "reward",
        DataSplit.Rl => "rl",
        _ => "test",
    };

    /// <summary>The bucket of a canonical text, 0 ≤ bucket &lt; <see cref="Buckets"/>.</summary>
    public static int Bucket(string canonical) => (int)(CounterRandom.Hash(canonical) % Buckets);
}
