using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using LlmRL.Evaluation;
using LlmRL.Evaluation.Judges;
using LlmRL.Models;
using LlmRL.Recipes;
using LlmRL.Recipes.Binding;
using LlmRL.Rewards;
using LlmRL.Runs;
using LlmRL.Tokenization;

namespace LlmRL.Cli.Commands;

/// <summary><c>llmrl eval</c>: the evaluate stages of a recipe whose models are trained, or one model on one data set.</summary>
internal static class EvalCommand
{
    private const int DefaultLength = 256, DefaultRows = 1000;

    private static readonly Argument<string?> RecipeFile = new("RECIPE") { Description = "A recipe that was run: its evaluate stages are run on the finished models.", Arity = ArgumentArity.ZeroOrOne };
    private static readonly Option<string?> Model = new("--model") { Description = "Instead of a recipe: a model folder in Hugging Face layout." };
    private static readonly Option<string?> Adapter = new("--adapter") { Description = "With --model: a folder with low-rank adapters in PEFT's layout, which are merged into the model." };
    private static readonly Option<string?> Data = new("--data") { Description = "With --model: a file, or a generator as NAME/SPLIT, such as arithmetic/test." };
    private static readonly Option<int> Count = new("--count") { Description = "With --data: at most so many rows.", DefaultValueFactory = _ => DefaultRows };
    private static readonly Option<string?> PassAtK = new("--pass-at-k") { Description = "The k of pass@k, such as 1,8 (default: 1 where the data has answers)." };
    private static readonly Option<int?> Samples = new("--n") { Description = "Completions per prompt (default: the largest k)." };
    private static readonly Option<bool> Gold = new("--judge") { Description = "Compares with the reference completions by the judge of the TL;DR experiment: win rate." };
    private static readonly Option<string?> JudgeUrl = new("--judge-url") { Description = "The same by an OpenAI-compatible server, such as https://api.example.org/v1." };
    private static readonly Option<string?> JudgeModel = new("--judge-model") { Description = "With --judge-url: the model that judges." };
    private static readonly Option<string?> JudgeKey = new("--judge-key-env") { Description = "With --judge-url: the environment variable that holds the key." };
    private static readonly Option<string> JudgeQuestion = new("--judge-prompt") { Description = "With --judge-url: tldr, or a file with the question.", DefaultValueFactory = _ => "tldr" };
    private static readonly Option<double?> JudgeTimeout = new("--judge-timeout") { Description = "With --judge-url: seconds that one try may take (default: 60)." };
    private static readonly Option<int?> JudgeRetries = new("--judge-retries") { Description = "With --judge-url: how often a question is asked again (default: 5)." };
    private static readonly Option<string?> Reference = new("--reference") { Description = "A model folder: the KL to it is measured." };
    private static readonly Option<string?> RewardModelFolder = new("--reward-model") { Description = "A reward model's folder: its mean score is measured." };
    private static readonly Option<double> Temperature = new("--temperature") { Description = "0 takes the most probable token.", DefaultValueFactory = _ => 1 };
    private static readonly Option<double> TopP = new("--top-p") { Description = "Nucleus sampling.", DefaultValueFactory = _ => 1 };
    private static readonly Option<int?> Length = new("--max-new-tokens") { Description = $"Most tokens of a completion (default: {DefaultLength}, or what fits the model)." };
    private static readonly Option<ulong> Seed = new("--seed") { Description = "Seed.", DefaultValueFactory = _ => 1UL };
    private static readonly Option<string?> Output = new("--out") { Description = "The run directory; with --model, where metrics, samples and a report are kept." };
    private static readonly Option<string[]> Set = new("--set") { Description = "With RECIPE: override a recipe key.", DefaultValueFactory = _ => [] };
    private static readonly Option<string> Device = new("--device") { Description = "auto, cpu or cuda.", DefaultValueFactory = _ => "auto" };
    private static readonly Option<bool> Json = new("--json") { Description = "One JSON object an evaluation, on standard output." };

    private static readonly Option[] JudgeOptions = [JudgeKey, JudgeQuestion, JudgeTimeout, JudgeRetries];

    public static Command Create()
    {
        var command = new Command("eval", "Measures pass@k, win rate, reward, KL and diversity of trained models.")
        {
            RecipeFile, Model, Adapter, Data, Count, PassAtK, Samples, Gold, JudgeUrl, JudgeModel, JudgeKey, JudgeQuestion, JudgeTimeout, JudgeRetries, Reference, RewardModelFolder, Temperature, TopP, Length, Seed, Output, Set, Device, Json,
        };
        command.SetAction(parsed => Guard.Run(() => Run(parsed)));
        return command;
    }

    private static void Run(ParseResult parsed)
    {
        var (recipe, model) = (parsed.GetValue(RecipeFile), parsed.GetValue(Model));
        if (recipe is null == model is null)
            throw new BadInputException("eval: give either a recipe that was run, or --model DIR with --data SOURCE.");
        if (recipe is not null && parsed.GetValue(Adapter) is not null)
            throw new BadInputException("eval RECIPE: --adapter goes with --model DIR; a recipe names its adapters under model.adapter.");
        if (recipe is not null)
            RunRecipe(parsed, recipe);
        else
            RunModel(parsed, model!);
    }

    private static void RunRecipe(ParseResult parsed, string path)
    {
        var file = ProgramPaths.Resolve(path);
        var recipe = RecipeBinder.Load<Recipe>(file, parsed.GetValue(Set)!);
        var json = parsed.GetValue(Json);
        using var console = Terminal(json);
        var summary = Pipeline(parsed, recipe, console, parsed.GetValue(Output), file, "./llmrl eval " + path).Run(default);
        if (json)
        {
            foreach (var stage in summary.Stages.Where(stage => stage.Kind == "evaluate"))
                Console.WriteLine(JsonSerializer.Serialize(new { stage = stage.Name, metrics = stage.Metrics }, JsonLayout.OneLine));
        }
    }

    private static void RunModel(ParseResult parsed, string model)
    {
        var data = parsed.GetValue(Data) ?? throw new BadInputException("eval --model: name the prompts with --data, such as arithmetic/test or a file.");
        var recipe = new Recipe
        {
            Name = "eval",
            Seed = parsed.GetValue(Seed),
            Model = new ModelSource { Path = ProgramPaths.Resolve(model), Adapter = parsed.GetValue(Adapter) },
            Stages = [Stage(parsed, ProgramPaths.Resolve(model), data)],
        };
        var (kept, json) = (parsed.GetValue(Output), parsed.GetValue(Json));
        var folder = kept ?? Path.Combine(Path.GetTempPath(), "llmrl-eval-" + Guid.NewGuid().ToString("N"));
        try
        {
            using var console = kept is null ? RunConsole.Create(TextWriter.Null, TimeProvider.System, live: false) : Terminal(json);
            // The user gave options, not a recipe.
            string Option(string key) => key.Split('.')[^1] switch { "data" => $"--data {data}", "reference" => "--reference", "reward" => "--reward-model", _ => $"--model {model}" };
            var stage = Pipeline(parsed, recipe, console, folder, null, $"./llmrl eval --model {model} --data {data}", Option).Run(default).Stages[0];
            var metrics = new OrderedDictionary<string, double>(stage.Metrics.Select(pair => KeyValuePair.Create(pair.Key.Replace("/" + Recipe.BaseModel, ""), pair.Value)));
            if (json)
                Console.WriteLine(JsonSerializer.Serialize(new { model, data, metrics }, JsonLayout.OneLine));
            else if (kept is null)
                Show(metrics);
        }
        catch (RewardFailedException fault) when (kept is null)
        {
            throw new RewardFailedException($"{fault.Message} Here there is no such folder: name one with --out.", fault);
        }
        finally
        {
            if (kept is null && Directory.Exists(folder))
                Directory.Delete(folder, recursive: true);
        }
    }

    private static Evaluate Stage(ParseResult parsed, string model, string dataText)
    {
        var source = DataSource.Parse(dataText, parsed.GetValue(Count));
        source = source with { Count = parsed.GetValue(Count) > 0 ? parsed.GetValue(Count) : throw new BadInputException($"--count {parsed.GetValue(Count)}: evaluate at least one row.") };
        var rows = source.Open(dataText);
        var wanted = Ks(parsed.GetValue(PassAtK)) ?? (rows[0].Answer is null ? [] : [1]);
        if (parsed.GetValue(Samples) is { } samples)
            wanted = samples >= wanted.DefaultIfEmpty(1).Max() ? [.. wanted, samples] : throw new BadInputException($"--n {samples}: pass@{wanted.Max()} needs at least {wanted.Max()} completions per prompt.");
        return new Evaluate
        {
            Name = "eval",
            Policies = [Recipe.BaseModel],
            Data = source,
            PassAtK = [.. wanted.Distinct().Order()],
            Judge = Judge(parsed),
            Reference = parsed.GetValue(Reference),
            Reward = parsed.GetValue(RewardModelFolder) is { } folder ? new LearnedReward { Model = folder } : null,
            Temperature = parsed.GetValue(Temperature),
            TopP = parsed.GetValue(TopP),
            MaxCompletionLength = parsed.GetValue(Length) ?? Room(model, source),
        };
    }

    private static IJudge? Judge(ParseResult parsed)
    {
        var (url, model) = (parsed.GetValue(JudgeUrl), parsed.GetValue(JudgeModel));
        if (url is null != model is null)
            throw new BadInputException(url is null ? "--judge-model: give the server too, with --judge-url." : "--judge-url: name the model that judges, with --judge-model.");
        if (url is not null && parsed.GetValue(Gold))
            throw new BadInputException("--judge and --judge-url: one judge at a time; take one of them out.");
        if (url is null)
        {
            return JudgeOptions.FirstOrDefault(option => parsed.GetResult(option) is { Implicit: false }) is { } alone
                ? throw new BadInputException($"{alone.Name}: it is about a judge behind a server; name that with --judge-url and --judge-model.")
                : parsed.GetValue(Gold) ? new GoldReward() : null;
        }

        if (parsed.GetValue(JudgeTimeout) is { } seconds and not (>= 0.01 and <= 86400))
            throw new BadInputException(string.Create(CultureInfo.InvariantCulture, $"--judge-timeout {seconds}: give seconds from 0.01 to 86400."));
        if (parsed.GetValue(JudgeRetries) is { } again and not (>= 0 and <= 1000))
            throw new BadInputException($"--judge-retries {again}: give a number from 0 to 1000.");
        var judge = new HttpJudge { Url = url, Model = model!, ApiKeyEnv = parsed.GetValue(JudgeKey), Prompt = parsed.GetValue(JudgeQuestion)! };
        judge = judge with { Timeout = parsed.GetValue(JudgeTimeout) ?? judge.Timeout, MaxRetries = parsed.GetValue(JudgeRetries) ?? judge.MaxRetries };
        try
        {
            judge.Check();
        }
        catch (BadInputException fault)
        {
            // The user gave options, not a recipe's keys.
            var text = fault.Message.Replace("api_key_env", JudgeKey.Name, StringComparison.Ordinal);
            throw new BadInputException(text.StartsWith("url:", StringComparison.Ordinal) ? JudgeUrl.Name + text[3..] : text.StartsWith("prompt:", StringComparison.Ordinal) ? JudgeQuestion.Name + text[6..] : text, fault);
        }

        return judge;
    }

    /// <summary>The default length, or what the model has positions for after the longest prompt.</summary>
    private static int Room(string model, DataSource source)
    {
        var positions = ModelFolder.ReadConfig(model).GenerationLength;
        var tokenizer = TokenizerLoader.Load(ModelFolder.TokenizerFolder(model));
        var rows = source.Open(tokenizer);
        var longest = Enumerable.Range(0, rows.Count).Max(i => Prompting.Encode(tokenizer, rows[i].Prompt, rows[i].HasSpecialTokens).Length);
        return Math.Clamp(positions - longest, 1, DefaultLength);
    }

    private static int[]? Ks(string? text)
    {
        if (text is null)
            return null;
        return [.. text.Split(',').Select(part => int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var k) && k > 0
            ? k
            : throw new BadInputException($"--pass-at-k {text}: '{part}' is no whole number of 1 or more; write them like 1,8."))];
    }

    private static Pipeline Pipeline(ParseResult parsed, Recipe recipe, RunConsole console, string? output, string? file, string command, Func<string, string>? nameSetting = null)
    {
        var (device, text) = Devices.Choose(parsed.GetValue(Device)!);
        var options = new PipelineOptions { Out = output, RecipeFile = file, NameSetting = nameSetting, EvaluateOnly = true, Device = device, DeviceText = text, Command = command };
        return new Pipeline(recipe, options, console, TimeProvider.System);
    }

    // Standard output belongs to the JSON where that is asked for.
    private static RunConsole Terminal(bool json) => RunConsole.Create(
        json ? Console.Error : Console.Out, TimeProvider.System, !json && RunConsole.CanBeLive(Console.IsOutputRedirected, Environment.GetEnvironmentVariable));

    private static void Show(OrderedDictionary<string, double> metrics)
    {
        var width = metrics.Keys.Max(name => name.Length);
        foreach (var (name, value) in metrics.Where(pair => !pair.Key.EndsWith("_se", StringComparison.Ordinal)))
        {
            var error = metrics.TryGetValue(name + "_se", out var deviation) ? string.Create(CultureInfo.InvariantCulture, $" ± {deviation:0.####}") : "";
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name.PadRight(width)}  {value:0.####}{error}"));
        }
    }
}
