namespace LlmRL.Data;

/// <summary>A way to say something in a word problem.</summary>
/// <param name="Text">With slots in braces.</param>
/// <param name="IsHeldOut">Whether it is only in the test split.</param>
internal sealed record WordProblemTemplate(string Text, bool IsHeldOut = false);

/// <summary>
/// The sentences that word problems are made of. Those of the test split are never seen in training, but every word of them is: what is tested is reading a new
/// sentence, not a new word.
/// </summary>
internal static class WordProblemTemplates
{
    /// <summary>Days in their order; the day after Sunday is Monday.</summary>
    public static IReadOnlyList<string> Days { get; } = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

    /// <summary>People and the pronoun for each.</summary>
    public static IReadOnlyList<(string Name, string Pronoun)> People { get; } =
        [("Ann", "she"), ("Ben", "he"), ("Cora", "she"), ("Dan", "he"), ("Eva", "she"), ("Finn", "he"), ("Gina", "she"), ("Hugo", "he")];

    /// <summary>What is counted.</summary>
    public static IReadOnlyList<string> Things { get; } = ["apples", "pears", "plums", "cakes", "eggs", "nuts"];

    /// <summary>What people do, and whether they have more (+) or fewer (-) afterwards.</summary>
    public static IReadOnlyList<(string Verb, char Operator)> Actions { get; } =
    [
        ("buys", '+'), ("finds", '+'), ("gets", '+'), ("wins", '+'), ("borrows", '+'), ("collects", '+'),
        ("sells", '-'), ("loses", '-'), ("eats", '-'), ("drops", '-'), ("lends", '-'), ("spoils", '-'),
    ];

    /// <summary>First sentences: what there is at the start.</summary>
    public static IReadOnlyList<WordProblemTemplate> Openings { get; } =
    [
        new("{name} has {amount} {things}."),
        new("At first {name} has {amount} {things}."),
        new("There are {amount} {things} in the basket of {name}."),
        new("{name} starts with {amount} {things}."),
        new("In the basket of {name} there are {amount} {things}."),
        new("In the basket {name} has {amount} {things}.", IsHeldOut: true),
        new("At first there are {amount} {things} in the basket of {name}.", IsHeldOut: true),
    ];

    /// <summary>What happens on a day. <c>{who}</c> is the name or the pronoun.</summary>
    public static IReadOnlyList<WordProblemTemplate> Events { get; } =
    [
        new("On {day} {who} {verb} {amount} {things}."),
        new("On {day} {who} {verb} {amount}."),
        new("{who} {verb} {amount} {things} on {day}."),
        new("{who} {verb} {amount} on {day}."),
        new("Then {day} comes and {who} {verb} {amount} {things}."),
        new("It is {amount} {things} that {who} {verb} on {day}."),
        new("When {day} comes, {who} {verb} {amount}."),
        new("{day} is when {who} {verb} {amount} {things}."),
        new("Then, on {day}, {who} {verb} {amount}."),
        new("It is {day} when {who} {verb} {amount} {things}.", IsHeldOut: true),
        new("It is on {day} that {who} {verb} {amount}.", IsHeldOut: true),
        new("Then {who} {verb} {amount} {things} on {day}.", IsHeldOut: true),
        new("{day} comes and {who} {verb} {amount}.", IsHeldOut: true),
        new("Then {day} comes, when {who} {verb} {amount} {things}.", IsHeldOut: true),
    ];

    /// <summary>What people do on a day on which nothing changes.</summary>
    public static IReadOnlyList<string> Rests { get; } = ["rests", "sleeps", "reads", "sings"];

    /// <summary>A day on which nothing changes.</summary>
    public static IReadOnlyList<WordProblemTemplate> RestDays { get; } =
    [
        new("On {day} {who} {verb}."),
        new("{who} {verb} on {day}."),
        new("When {day} comes, {who} {verb}."),
        new("Then, on {day}, {who} {verb}."),
        new("Then {who} {verb} on {day}.", IsHeldOut: true),
        new("{day} comes and {who} {verb}.", IsHeldOut: true),
    ];

    /// <summary>Last sentences.</summary>
    public static IReadOnlyList<WordProblemTemplate> Questions { get; } =
    [
        new("How many {things} does {name} have now?"),
        new("How many {things} are there in the end?"),
        new("What is the number of {things} now?"),
        new("How many {things} are there now?", IsHeldOut: true),
        new("What is the number of {things} that {name} has in the end?", IsHeldOut: true),
    ];

    /// <summary>The templates that a split is written in.</summary>
    public static IReadOnlyList<WordProblemTemplate> Of(IReadOnlyList<WordProblemTemplate> templates, DataSplit split) =>
        [.. templates.Where(template => template.IsHeldOut == (split == DataSplit.Test))];
}
