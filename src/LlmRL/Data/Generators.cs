namespace LlmRL.Data;

/// <summary>The data generators by name.</summary>
public static class Generators
{
    /// <summary>The names that <see cref="Create"/> knows.</summary>
    public static IReadOnlyList<string> Names { get; } = ["arithmetic", "tldr", "word_problems"];

    /// <summary>The type of a generator's settings record.</summary>
    public static Type SettingsType(string name) => name switch
    {
        "arithmetic" => typeof(ArithmeticSettings),
        "tldr" => typeof(TldrSettings),
        "word_problems" => typeof(WordProblemSettings),
        _ => throw Unknown(name),
    };

    /// <summary>Creates a generated data set.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="split">sft (or train), reward, rl, test.</param>
    /// <param name="count">How many examples.</param>
    /// <param name="settings">A record of <see cref="SettingsType"/>, or null for its defaults.</param>
    public static IExampleSource Create(string name, string split, int count, object? settings = null)
    {
        var type = SettingsType(name);
        if (settings is not null && settings.GetType() != type)
            throw new BadInputException($"generator {name}: its settings are a {type.Name}, not a {settings.GetType().Name}.");
        var part = DataSplits.Parse(split);
        return name switch
        {
            "arithmetic" => new ArithmeticGenerator(part, count, (ArithmeticSettings?)settings),
            "tldr" => new TldrGenerator(part, count, (TldrSettings?)settings),
            _ => new WordProblemGenerator(part, count, (WordProblemSettings?)settings),
        };
    }

    private static BadInputException Unknown(string name) =>
        new($"generator: '{name}' is not known. Use one of {string.Join(", ", Names)}.");
}
