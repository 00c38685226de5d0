using System.CommandLine;
using LlmRL.Cli.Commands;

Signals.HeedInterrupts();
var root = new RootCommand("LlmRL fine-tunes language models with reinforcement learning from human preferences and from verifiable rewards.");
root.Subcommands.Add(RunCommand.Create());
root.Subcommands.Add(SweepCommand.Create());
root.Subcommands.Add(GenerateCommand.Create());
root.Subcommands.Add(EvalCommand.Create());
root.Subcommands.Add(VerifyCommand.Create());
root.Subcommands.Add(TokenizeCommand.Create());
root.Subcommands.Add(TokenizerCommand.Create());
root.Subcommands.Add(DataCommand.Create());
root.Subcommands.Add(BenchCommand.Create());
root.Subcommands.Add(ReplayCommand.Create());
root.Subcommands.Add(DoctorCommand.Create());
var parsed = root.Parse(args);
if (parsed.Errors.Count == 0)
    return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
foreach (var error in parsed.Errors)
{
    // The parser speaks of .NET's types.
    var message = error.Message.Replace("as expected type 'System.Int32'", "as a whole number").Replace("as expected type 'System.UInt64'", "as a whole number of 0 or more")
        .Replace("as expected type 'System.Double'", "as a number");
    Console.Error.WriteLine("llmrl: " + message);
}

Console.Error.WriteLine("Run ./llmrl --help, or ./llmrl COMMAND --help, for what is possible.");
return 2;
