using System.CommandLine;
using System.Text.Json;
using LlmRL.Models;
using LlmRL.Recipes;
using LlmRL.Rollouts;
using LlmRL.Runs;
using LlmRL.Tokenization;

namespace LlmRL.Cli.Commands;

/// <summary><c>llmrl generate</c>: samples completions of a model.</summary>
internal static class GenerateCommand
{
    public static Command Create()
    {
        var model = new Option<string>("--model") { Description = "A model folder in Hugging Face layout.", Required = true };
        var adapter = new Option<string?>("--adapter") { Description = "A folder with low-rank adapters in PEFT's layout, which are merged into the model." };
        var tokenizer = new Option<string?>("--tokenizer") { Description = "A tokenizer's file or folder (default: the model's own)." };
        var prompt = new Option<string?>("--prompt") { Description = "The text to complete." };
        var prompts = new Option<string?>("--prompts") { Description = "A file with one prompt a line (a line that starts with a quote is a JSON string)." };
        var samples = new Option<int>("--n") { Description = "Completions per prompt.", DefaultValueFactory = _ => 1 };
        var temperature = new Option<double>("--temperature") { Description = "0 takes the most probable token.", DefaultValueFactory = _ => 1 };
        var topP = new Option<double>("--top-p") { Description = "Nucleus sampling.", DefaultValueFactory = _ => 1 };
        var topK = new Option<int>("--top-k") { Description = "Sample from the k most probable tokens; 0: all.", DefaultValueFactory = _ => 0 };
        var length = new Option<int>("--max-new-tokens") { Description = "Most tokens of a completion.", DefaultValueFactory = _ => 128 };
        var seed = new Option<ulong>("--seed") { Description = "Seed.", DefaultValueFactory = _ => 0 };
        var json = new Option<bool>("--json") { Description = "One JSON object a completion." };
        var chat = new Option<bool>("--chat") { Description = "The prompt is a user's message; the model's chat template makes it a prompt." };
        var system = new Option<string?>("--system") { Description = "The system message before it, with --chat." };
        var device = new Option<string>("--device") { Description = "auto, cpu or cuda.", DefaultValueFactory = _ => "auto" };
        var command = new Command("generate", "Samples completions of prompts.") { model, adapter, tokenizer, prompt, prompts, samples, temperature, topP, topK, length, seed, json, chat, system, device };
        command.SetAction(parsed => Guard.Run(() =>
        {
            var options = new SamplingOptions { Temperature = parsed.GetValue(temperature), TopP = parsed.GetValue(topP), TopK = parsed.GetValue(topK), MaxNewTokens = parsed.GetValue(length) };
            var texts = Prompts(parsed.GetValue(prompt), parsed.GetValue(prompts));
            Run(ProgramPaths.Resolve(parsed.GetValue(model)!), parsed.GetValue(adapter), parsed.GetValue(tokenizer), texts, parsed.GetValue(samples), options, parsed.GetValue(seed), parsed.GetValue(json), new ChatOptions(parsed.GetValue(chat), parsed.GetValue(system)), parsed.GetValue(device)!);
        }));
        return command;
    }

    private static void Run(string folder, string? adapter, string? tokenizerSpec, string[] prompts, int samples, SamplingOptions options, ulong seed, bool json, ChatOptions chat, string deviceName)
    {
        if (samples < 1)
            throw new BadInputException($"--n {samples}: ask for at least one completion.");
        if (chat is { IsOn: false, System: not null })
            throw new BadInputException("generate: --system is a message before the user's: give --chat too.");
        var (device, _) = Devices.Choose(deviceName);
        using var model = adapter is null ? ModelFolder.Load(folder, trainable: false, device: device) : ModelFolder.LoadMerged(folder, ProgramPaths.Resolve(adapter), trainable: false, device: device);
        var tokenizer = TokenizerLoader.Load(tokenizerSpec is null ? ModelFolder.TokenizerFolder(folder) : ProgramPaths.Resolve(tokenizerSpec));
        using var engine = RolloutEngines.Of(model, Console.Error.WriteLine);
        options = options with { StopIds = model.Config.StopIds(tokenizer.EosId) };
        var encoded = prompts.Select(text => chat.IsOn ? Prompting.EncodeRendered(tokenizer, ChatPrompts.Render(tokenizer, text, chat.System)) : Prompting.Encode(tokenizer, text)).ToArray();
        foreach (var completion in engine.Generate(encoded, samples, options, new SampleKey(seed, 0)))
        {
            var (prompt, stops) = (prompts[completion.PromptIndex], completion.Finish == FinishReason.Stop ? 1 : 0);
            var text = Prompting.DecodeCompletion(tokenizer, encoded[completion.PromptIndex], completion.Tokens.AsSpan(0, completion.Tokens.Length - stops));
            Console.WriteLine(json ? Json(prompt, text, completion) : (prompts.Length * samples > 1 ? $"--- prompt {completion.PromptIndex + 1}, sample {completion.SampleIndex + 1}\n" : "") + (chat.IsOn ? "" : prompt) + text);
        }
    }

    private sealed record ChatOptions(bool IsOn, string? System);

    private static string Json(string prompt, string text, Completion completion) => JsonSerializer.Serialize(new
    {
        prompt,
        completion = text,
        tokens = completion.Tokens,
        logprob = completion.LogProbs.Sum(),
        finish_reason = completion.Finish == FinishReason.Stop ? "stop" : "length",
    }, JsonLayout.OneLine);

    private static string[] Prompts(string? prompt, string? file)
    {
        if (prompt is null == file is null)
            throw new BadInputException("generate: give either --prompt TEXT or --prompts FILE.");
        if (prompt is not null)
            return [prompt];
        if (!File.Exists(file))
            throw new BadInputException($"{file}: no such file.");
        var prompts = File.ReadLines(file).Select((line, i) => JsonText.Read(line, $"{file}:{i + 1}")).ToArray();
        return prompts.Length > 0 ? prompts : throw new BadInputException($"{file}: the file is empty; write one prompt a line.");
    }
}
